"""docs/tutorial.md: each of its commands, in order, as a reader runs them."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.end_to_end.process import PATIENCE, ROOT, free_ports

TEXT = (ROOT / "docs" / "tutorial.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
TRACED = importlib.util.find_spec("proxy.telemetry") is not None
RUNS_ON = ("make serve", "sluice serve", "sluice simulate")


class Backend(BaseHTTPRequestHandler):
    """Takes whatever is exported to it."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@dataclass(slots=True)
class Reader:
    """A reader of the tutorial: exported variables, and the running gateway."""

    folder: Path
    ports: dict[str, int]
    exports: list[str] = field(default_factory=list)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def does(self, block: str) -> str:
        """Run a block and return its output."""
        for port, ours in self.ports.items():
            block = block.replace(f":{port}", f":{ours}").replace(f"--port {port}", f"--port {ours}")
        block = block.replace("make serve", f"exec sluice serve --config {ROOT / 'config.yaml'}")
        if "sluice serve" in block:
            self._stop_gateway()
        if "sluice serve" in block or "sluice simulate" in block:
            return self._starts(block)
        shell = ["sh", "-e", "-c", "\n".join([*self.exports, block])]
        done = subprocess.run(shell, cwd=self.folder, env=self._environ(), capture_output=True, timeout=PATIENCE)
        told = (done.stdout + done.stderr).decode()
        assert done.returncode == 0, f"{block}\n{told}"
        self.exports += [line for line in block.splitlines() if line.startswith("export ")]
        return told

    def _starts(self, block: str) -> str:
        shell = ["sh", "-c", "\n".join([*self.exports, re.sub(r"^(?=sluice)", "exec ", block, flags=re.M)])]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(shell, cwd=self.folder, env=self._environ(), **quiet)
        self.running.append(process)
        port = self.ports["9000" if "simulate" in block else "8080"]
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/{'' if 'simulate' in block else 'readyz'}").close()
                return ""
            except urllib.error.URLError:
                time.sleep(0.05)
        raise AssertionError(f"it did not start: {block}")

    def _stop_gateway(self) -> None:
        """Ctrl-C in the first terminal."""
        for process in [p for p in self.running if "simulate" not in str(p.args)]:
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0
            self.running.remove(process)

    def _environ(self) -> dict[str, str]:
        ours = {"SLUICE_PORT": str(self.ports["8080"]), "SLUICE_SIMULATOR_PORT": str(self.ports["8089"])}
        return {
            **os.environ,
            **ours,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "SLUICE_URL": f"http://127.0.0.1:{self.ports['8080']}",
        }


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    command = tmp_path / "bin" / "sluice"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m proxy "$@"\n')
    command.chmod(0o755)
    backend = HTTPServer(("127.0.0.1", 0), Backend)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    ports = dict(zip(("8080", "8089", "9000"), free_ports(3), strict=True))
    found = Reader(tmp_path, {**ports, "4318": backend.server_address[1]})
    try:
        yield found
    finally:
        backend.shutdown()
        backend.server_close()
        for process in found.running:
            process.kill()
            process.wait()


def said(printed: str) -> str:
    """The text of a stream that was printed."""
    chunks = [json.loads(line[6:]) for line in printed.splitlines() if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def test_every_step_of_the_tutorial_holds(reader: Reader) -> None:
    blocks = iter(BLOCKS)

    def step(*holds: str) -> str:
        block = next(blocks)
        assert all(part in block for part in holds), block
        return reader.does(block)

    step("make serve")
    step("export PATH")
    streamed = step("sim-secrets")
    first = said(streamed)
    assert streamed.count("data: ") > 10
    assert "[EMAIL]" in first and "••1111" in first and "@" not in first and "AKIA" not in first
    step("my.yaml")
    step("sluice simulate")
    step("export OPENAI")
    step("sluice serve")
    assert said(step("ask.sh")) == "Repeat this: ask [EMAIL] about PRJ-1234."
    assert re.search("^(loaded|in use|in use already): ", step("sed", "reload"))  # it may have noticed by itself
    shadow = step("ask.sh", "report")
    assert said(shadow).endswith("PRJ-1234.")
    assert re.search(r"redact/mine +ticket +shadow +would_redact +1 ", shadow)
    assert said(step("shadow", "ask.sh")) == "Repeat this: ask [EMAIL] about [TICKET]."
    assert "my.yaml:12:1 polices: " in step("polices")
    still = step("ask.sh", "status")
    assert said(still).endswith("[TICKET].") and "was refused" in still
    recovered = step("sed", "status")
    assert "refused at" not in recovered and re.search("^(loaded|in use|in use already): ", recovered, re.M)
    if TRACED:
        assert re.search("[0-9a-f]{32}", step("telemetry test"))
        step("sluice serve")
        assert said(step("ask.sh")).endswith("[TICKET].")
