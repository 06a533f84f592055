"""Reloads while many streams are in flight, again and again."""

import asyncio
import gc
from pathlib import Path

import pytest

from policies.redact.automaton import Automaton
from proxy.simulator import Answer
from proxy.tasks import spawn
from proxy.version import Version
from tests.end_to_end.clients import plain
from tests.end_to_end.reloading import BROKEN, labelled, reloading, said
from tests.end_to_end.wire import chat, client, until

pytestmark = pytest.mark.anyio

STREAMS, RELOADS = 100, 50


async def test_reloads_under_load_affect_no_stream_and_are_never_mixed(tmp_path: Path) -> None:
    """100 streams are in flight all the time, each over several of the 50 reloads, a third of which are invalid."""
    async with reloading(tmp_path / "config.yaml", watch=False) as run:
        assert run.reloader is not None
        run.sim.answers["m"] = Answer("a word, " * 8, chunk=7, pace=0.2)
        labels = {run.gateway.version.id: "first"}
        answers: list[tuple[str, str]] = []
        enough = asyncio.Event()

        async def asking(number: int) -> None:
            await asyncio.sleep(number * 0.015)  # so that some stream begins at any time
            async with client(run.port) as ours:
                while not enough.is_set():
                    await ours.send(chat("openai-m"))
                    response = await ours.response(seconds=20)
                    assert response.events[-1] == "[DONE]"
                    answers.append((response.text, response.headers["x-sluice-config"]))

        clients = [spawn(asking(number)) for number in range(STREAMS)]
        await until(lambda: len(run.gateway.streams) == STREAMS, seconds=10)
        busy = []
        for n in range(RELOADS):
            broken = n % 3 == 1
            version = run.save(labelled(run.sim.url, str(n), BROKEN if broken else ""))
            assert await run.reloader.reload("SIGHUP") == ("refused" if broken else "loaded")
            if not broken:
                labels[version] = str(n)
            busy.append(len(run.gateway.streams))
            await asyncio.sleep(0.05)  # so that streams begin with most of the versions
        enough.set()
        await asyncio.gather(*clients)
        assert sorted(busy)[RELOADS // 2] > STREAMS * 0.6
        assert len(answers) > STREAMS
        assert len({version for _, version in answers}) > 5
        for text, version in answers:
            assert text == f"a [{labels[version]}], " * 8
        assert {record.outcome for record in run.records} == {"completed"}
        await until(lambda: not run.gateway.streams)
        assert (run.state.loads, run.state.refusals) == (33, 17)
        assert versions_alive(labels) == {run.gateway.version.id}


def versions_alive(ours: dict[str, str]) -> set[str]:
    gc.collect()
    return {found.id for found in gc.get_objects() if isinstance(found, Version)} & ours.keys()


async def test_old_automata_are_freed_also_when_the_heap_was_frozen(tmp_path: Path) -> None:
    """Set the collector as `sluice serve` does after its warm-up, where it rarely runs by itself."""
    async with reloading(tmp_path / "config.yaml", watch=False) as run, plain(run.url) as http:
        assert run.reloader is not None
        run.sim.answers["m"] = Answer("one word")
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            sizes = []
            for n in range(15):
                run.save(labelled(run.sim.url, str(n)))
                await run.reloader.reload("SIGHUP")
                assert (await said(http))[0] == f"one [{n}]"
                sizes.append(sum(isinstance(found, Automaton) for found in gc.get_objects()))
        finally:
            gc.enable()
            gc.unfreeze()
        assert 0 < sizes[-1] <= sizes[5]
