"""`sluice simulate` as a process: it says where it is, answers, and ends at a signal."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

COMMAND = "import sys; from proxy.cli.simulate import simulate; sys.exit(simulate('127.0.0.1', int(sys.argv[1])))"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", COMMAND, "0"], stdout=subprocess.PIPE, text=True) as running:
        yield running
        running.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    assert process.stdout is not None
    said = process.stdout.readline() + process.stdout.readline()
    found = re.search(r"openai +(http://127\.0\.0\.1:\d+)/v1", said)
    assert found, said
    assert httpx.get(found[1] + "/v1/models", trust_env=False).status_code == 200
    process.send_signal(number)
    assert process.wait(timeout=5) == 0


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([sys.executable, "-c", COMMAND, port], capture_output=True, text=True, timeout=10)
    assert done.returncode == 1 and "--port" in done.stderr
