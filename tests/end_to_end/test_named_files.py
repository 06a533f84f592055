"""The configuration's files are replaced by other kinds of files.

A start is rejected, a reload changes nothing, and the process still ends on a signal.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.simulator import Answer
from tests.end_to_end.clients import plain
from tests.end_to_end.process import started
from tests.end_to_end.reloading import labelled, reloading, said
from tests.end_to_end.running import CONFIG

pytestmark = pytest.mark.anyio

PROCESS = """
server: {port: "${SLUICE_PORT}"}
simulator: {port: "${SLUICE_SIMULATOR_PORT}"}
providers: {openai: {api_key: simulated, base_url: "http://127.0.0.1:${SLUICE_SIMULATOR_PORT}/v1"}}
models: {"sim-*": {target: "openai/sim-*"}}
"""
WORDS = """
default_policies: [redact/words]
policies: {redact/words: {rules: [{name: listed, words_file: words.txt}]}}
"""


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


NO_FILES = [(os.mkfifo, "is a named pipe"), (endless, "is a device")]


@pytest.mark.parametrize(("make", "fault"), NO_FILES)
@pytest.mark.parametrize("name", ["config.yaml", "words.txt"])
async def test_a_start_with_what_is_no_file_is_refused(
    tmp_path: Path, name: str, make: Callable[[Path], None], fault: str
) -> None:
    if name != "config.yaml":
        (tmp_path / "config.yaml").write_text(PROCESS + WORDS)
    make(tmp_path / name)
    async with started(tmp_path / "config.yaml") as serving:
        code, told = await serving.ended()
    assert code == 1 and fault in told and "Traceback" not in told


@pytest.mark.parametrize(("make", "fault"), NO_FILES)
@pytest.mark.parametrize("name", ["config.yaml", "words.txt"])
async def test_a_reload_of_what_is_no_file_is_refused_and_the_version_in_use_stays(
    tmp_path: Path, name: str, make: Callable[[Path], None], fault: str
) -> None:
    (tmp_path / "words.txt").write_text("word\n")
    text = CONFIG + WORDS.replace("{", "{{").replace("}", "}}")
    async with reloading(tmp_path / "config.yaml", text) as run, plain(run.url) as http:
        run.sim.answers["m"] = Answer("a word")
        before = await said(http)
        assert before[0] == "a [LISTED]"
        swap(tmp_path / name, make)
        assert fault in await run.refuses()
        assert await said(http) == before
        await run.uses(run.save(labelled(run.sim.url, "new")))
        assert (await said(http))[0] == "a [new]"


@pytest.mark.parametrize("make", [os.mkfifo, endless])
async def test_a_process_whose_file_became_none_ends_when_it_is_told_to(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(PROCESS)
    async with started(config) as serving, plain(serving.url) as http:
        await serving.ready(http)
        swap(config, make)
        async with asyncio.timeout(10):
            while not (await http.get("/admin/status")).json()["config"]["refused"]:
                await asyncio.sleep(0.05)
        serving.process.send_signal(signal.SIGHUP)
        serving.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            code, told = await serving.ended()
    assert code == 0 and "Traceback" not in told


def swap(path: Path, make: Callable[[Path], None]) -> None:
    """Put something else in a file's place, at once."""
    make(path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)
