"""The processes under measurement. They start on loopback, report readiness, are measured from /proc, and
end by PID.
"""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.environments import Missing

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """A running server. `ready_after` is in seconds."""

    pid: int
    url: str
    ready_after: float

    def cpu(self) -> float:
        """Return the CPU seconds that the process and its descendants have used."""
        return sum(_cpu(pid) for pid in self._tree())

    def pin(self, cores: set[int]) -> None:
        """Let the process and its descendants run only on these cores."""
        for pid in self._tree():
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(int(task.name), cores)

    def memory(self) -> int:
        """Return the resident bytes of the process and its descendants."""
        return sum(int(_read(f"/proc/{pid}/statm").split()[1]) for pid in self._tree()) * _PAGE

    def sockets(self) -> int:
        """Count the open sockets of the process itself."""
        found = 0
        for entry in pathlib.Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed in the meantime
                found += os.readlink(entry).startswith("socket:")
        return found

    def _tree(self) -> list[int]:
        found = [self.pid]
        for pid in found:  # grows during the loop: grandchildren too
            with contextlib.suppress(OSError):
                tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
                found += [int(child) for task in tasks for child in _read(task / "children").split()]
        return found


def free_port() -> int:
    """Return a loopback port on which nothing listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


@contextlib.contextmanager
def simulator() -> Iterator[Process]:
    """Start the simulator in a process of its own."""
    port = free_port()
    with started([sys.executable, "-m", "proxy", "simulate", "--port", str(port)], port, "/_sim/calls") as process:
        yield process


@contextlib.contextmanager
def paced() -> Iterator[Process]:
    """Start the benchmarks' own upstream, cheaper than the simulator."""
    port = free_port()
    with started([sys.executable, "-m", "benchmarks.paced", str(port)], port, "/") as process:
        yield process


@contextlib.contextmanager
def otlp_sink() -> Iterator[Process]:
    """Start a live OTLP receiver."""
    port = free_port()
    with started([sys.executable, "-m", "benchmarks.otlp_sink", str(port)], port, "/") as process:
        yield process


SERVE = ("proxy", "serve", "--config")


@contextlib.contextmanager
def gateway(
    upstream: str,
    extra: str = "",
    *,
    providers: str = "",
    files: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    command: Sequence[str] = SERVE,
) -> Iterator[Process]:
    """Start Sluice with its three providers at `upstream`.

    `extra` is more YAML for its configuration, `providers` for the providers. `files` are texts beside the
    configuration. `command` is for `python -m`, and the configuration's path is appended.
    """
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (files or {}).items():
            pathlib.Path(folder, name).write_text(text)
        config = pathlib.Path(folder, "config.yaml")
        config.write_text(
            f"server: {{port: {port}, max_streams: 5000}}\n"
            "providers:\n"
            f"  openai: {{api_key: bench, base_url: '{upstream}/v1'}}\n"
            f"  anthropic: {{api_key: bench, base_url: '{upstream}'}}\n"
            f"  gemini: {{api_key: bench, base_url: '{upstream}'}}\n"
            f"{providers}"
            "models:\n"
            "  'openai-*': {target: 'openai/*'}\n"
            "  'anthropic-*': {target: 'anthropic/*'}\n"
            "  'gemini-*': {target: 'gemini/*'}\n" + extra
        )
        with started([sys.executable, "-m", *command, str(config)], port, "/readyz", environ=environ) as process:
            yield process


@contextlib.contextmanager
def bare(upstream: str) -> Iterator[Process]:
    """Start uvicorn and aiohttp forwarding bytes: the minimum cost of this stack."""
    port = free_port()
    with started([sys.executable, "-m", "benchmarks.bare", upstream, str(port)], port, "/_sim/calls") as process:
        yield process


@contextlib.contextmanager
def nginx(upstream: str) -> Iterator[Process]:
    """Start nginx, forwarding unbuffered. Raises Missing if it is not installed."""
    binary = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if binary is None:
        raise Missing("nginx is not installed: apt-get install nginx-light")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "nginx.conf")
        config.write_text(_NGINX.format(folder=folder, port=port, address=upstream.removeprefix("http://")))
        with started([binary, "-c", str(config), "-p", folder], port, "/_sim/calls") as process:
            yield process


_NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream provider {{ server {address}; keepalive 512; }}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location / {{
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_buffering off; tcp_nodelay on;
    }}
  }}
}}
"""


@contextlib.contextmanager
def started(
    command: Sequence[str], port: int, probe: str, *, environ: Mapping[str, str] | None = None, patience: float = 30
) -> Iterator[Process]:
    """Start a server on a loopback `port`. Yield it when it answers at the path `probe`, and end it after the block.

    Raises RuntimeError with the end of its output if it is not ready within `patience` seconds.
    """
    began = time.perf_counter()
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **(environ or {})}) as child,
    ):
        url = f"http://127.0.0.1:{port}"
        try:
            while not _answers(url + probe):
                if child.poll() is not None or time.perf_counter() - began > patience:
                    log.seek(0)
                    raise RuntimeError(f"{command[:4]} did not start; its last words:\n{log.read().decode()[-2000:]}")
                time.sleep(0.01)
            yield Process(child.pid, url, time.perf_counter() - began)
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _cpu(pid: int) -> float:
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _read(path: str | pathlib.Path) -> str:
    return pathlib.Path(path).read_text()
