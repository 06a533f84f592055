"""The time at which changed files are noticed.

`tests/end_to_end/test_reload.py` tests how files change in practice.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from proxy.reload import watch
from proxy.reload.watch import Watcher
from proxy.tasks import spawn

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass(slots=True)
class Told:
    """The calls of a watcher."""

    changes: int = 0
    troubles: list[str | None] = field(default_factory=list)
    fails: bool = False

    async def changed(self) -> None:
        self.changes += 1
        if self.fails:
            raise ValueError("not now")

    async def comes_to(self, changes: int) -> None:
        async with asyncio.timeout(4):
            while self.changes < changes:
                await asyncio.sleep(0.01)

    async def hears_of(self, change: Callable[[], object]) -> None:
        """Make a change repeatedly until it is noticed, because the watch may begin a moment after it has said so."""
        before = self.changes
        async with asyncio.timeout(4):
            while self.changes == before:
                change()
                await asyncio.sleep(0.5)


@asynccontextmanager
async def watching(*files: Path) -> AsyncIterator[Told]:
    told = Told()
    task = spawn(Watcher(lambda: files, told.changed, told.troubles.append).run())
    try:
        await told.comes_to(1)
        yield told
    finally:
        task.cancel()


async def test_the_beginning_and_each_series_of_changes_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a")
    async with watching(file) as told:
        for n in range(5):
            file.write_text("b" * n)
        await told.comes_to(2)
        await asyncio.sleep(watch.MAX_SERIES / 1000)
        assert told.changes == 2


async def test_other_files_of_the_folder_are_no_change(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a")
    async with watching(file) as told:
        (tmp_path / "other").write_text("x")
        await asyncio.sleep(watch.MAX_SERIES / 1000)
        assert told.changes == 1


async def test_what_a_link_leads_to_is_watched_also_when_the_link_is_turned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "EVERY", 60_000)
    first, second, link = tmp_path / "a" / "file", tmp_path / "b" / "file", tmp_path / "etc" / "link"
    for path in (first, second, link):
        path.parent.mkdir()
    first.write_text("a")
    second.write_text("b")
    link.symlink_to(first)
    async with watching(link) as told:
        async with asyncio.timeout(5):
            while not told.troubles:
                await asyncio.sleep(0.01)
        await told.hears_of(lambda: first.write_text(first.read_text() + "a"))
        so_far = told.changes
        fresh = link.with_name("fresh")
        fresh.symlink_to(second)
        fresh.replace(link)
        await told.comes_to(so_far + 1)
        async with asyncio.timeout(5):
            while len(told.troubles) < 2:
                await asyncio.sleep(0.01)
        await told.hears_of(lambda: second.write_text(second.read_text() + "b"))


async def test_a_change_without_an_event_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a network mount: events come from another folder only."""
    file, elsewhere = tmp_path / "file", tmp_path / "elsewhere"
    file.write_text("a")
    elsewhere.mkdir()
    really = watch.awatch
    monkeypatch.setattr(watch, "awatch", lambda *folders, **options: really(elsewhere, **options))
    async with watching(file) as told:
        file.write_text("bb")
        await told.comes_to(2)


async def test_files_that_become_known_only_when_they_are_read_are_watched(tmp_path: Path) -> None:
    """The configuration is saved between the question for its files and its reading."""
    config, named = tmp_path / "config", tmp_path / "named"
    config.write_text("a")
    told = Told()
    task = spawn(Watcher(lambda: (config, named) if told.changes else (config,), told.changed, print).run())
    await told.comes_to(2)
    named.write_text("b")
    await told.comes_to(3)
    task.cancel()


async def test_what_fails_is_told_and_watching_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "EVERY", 50)
    file = tmp_path / "file"
    file.write_text("a")
    async with watching(file) as told:
        told.fails = True
        file.write_text("bb")
        await told.comes_to(2)
        told.fails = False
        file.write_text("ccc")
        await told.comes_to(3)
        assert "ValueError: not now" in told.troubles
