"""The processes under measurement: started on loopback, asked when they are ready, measured from /proc, ended by
pid."""

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
from collections.abc import Iterator
from dataclasses import dataclass

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """A running server. `ready_after` is in seconds."""

    pid: int
    url: str
    ready_after: float

    def cpu(self) -> float:
        """CPU seconds that the process and its children have used."""
        return sum(_cpu(pid) for pid in self._tree())

    def memory(self) -> int:
        """Resident bytes of the process and its children."""
        return sum(int(_read(f"/proc/{pid}/statm").split()[1]) for pid in self._tree()) * _PAGE

    def _tree(self) -> list[int]:
        children = _read(f"/proc/{self.pid}/task/{self.pid}/children").split()
        return [self.pid, *map(int, children)]


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


@contextlib.contextmanager
def simulator() -> Iterator[Process]:
    """The providers' stand-in, in a process of its own."""
    port = free_port()
    with _running([sys.executable, "-m", "proxy", "simulate", "--port", str(port)], port, "/_sim/calls") as process:
        yield process


@contextlib.contextmanager
def gateway(upstream: str, extra: str = "") -> Iterator[Process]:
    """Sluice, its three providers pointed at `upstream`; `extra` is more YAML for its configuration."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "config.yaml")
        config.write_text(
            f"server: {{port: {port}, max_streams: 5000}}\n"
            "providers:\n"
            f"  openai: {{api_key: bench, base_url: '{upstream}/v1'}}\n"
            f"  anthropic: {{api_key: bench, base_url: '{upstream}'}}\n"
            f"  gemini: {{api_key: bench, base_url: '{upstream}'}}\n"
            "models:\n"
            "  'openai-*': {target: 'openai/*'}\n"
            "  'anthropic-*': {target: 'anthropic/*'}\n"
            "  'gemini-*': {target: 'gemini/*'}\n" + extra
        )
        command = [sys.executable, "-m", "proxy", "serve", "--config", str(config)]
        with _running(command, port, "/readyz") as process:
            yield process


@contextlib.contextmanager
def bare(upstream: str) -> Iterator[Process]:
    """uvicorn and aiohttp passing bytes through: the floor for this stack."""
    port = free_port()
    with _running([sys.executable, "-m", "benchmarks.bare", upstream, str(port)], port, "/_sim/calls") as process:
        yield process


@contextlib.contextmanager
def nginx(upstream: str) -> Iterator[Process | None]:
    """nginx, passing through unbuffered; None where it is not installed."""
    binary = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if binary is None:
        yield None
        return
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "nginx.conf")
        config.write_text(_NGINX.format(folder=folder, port=port, upstream=upstream))
        with _running([binary, "-c", str(config), "-p", folder], port, "/_sim/calls") as process:
            yield process


_NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location / {{
      proxy_pass {upstream}; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; tcp_nodelay on;
    }}
  }}
}}
"""


@contextlib.contextmanager
def _running(command: list[str], port: int, probe: str) -> Iterator[Process]:
    began = time.perf_counter()
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=log, stderr=log) as child:
        url = f"http://127.0.0.1:{port}"
        try:
            while not _answers(url + probe):
                if child.poll() is not None or time.perf_counter() - began > 30:
                    log.seek(0)
                    raise RuntimeError(f"{command[:4]} did not start:\n{log.read().decode()[-2000:]}")
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


def _read(path: str) -> str:
    return pathlib.Path(path).read_text()
