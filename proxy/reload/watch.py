"""Telling when files change.

Theory. Directories are watched, not files: an editor saves by a rename, and Kubernetes swaps the symlink `..data`
beside the files, so that a watched file would be one that nobody sees any more. What an event says is not looked at: it
wakes a comparison of what the paths lead to now (device, inode, size, times). The comparison is made once a second
without an event, too: for file systems that tell of no changes (network mounts), and directories that were away.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from watchfiles import awatch

log = logging.getLogger("sluice")

QUIET = 50
"""Milliseconds without a change after which a series of them is over: who writes a file in pieces is let finish."""

MAX_SERIES = 400
"""Milliseconds after which a series is taken for over anyway."""

EVERY = 1000
"""Milliseconds between two comparisons when nothing was told."""

Look: TypeAlias = tuple[tuple[int, ...] | None, ...]


class Watcher:
    """Calls `changed` when what `files` gives has changed, and once at the beginning. `troubled` is told why changes
    are noticed late, None once they are noticed at once again."""

    def __init__(
        self,
        files: Callable[[], Sequence[Path]],
        changed: Callable[[], Awaitable[object]],
        troubled: Callable[[str | None], None],
    ) -> None:
        self._files = files
        self._changed = changed
        self._troubled = troubled
        self._known: Sequence[Path] = ()
        self._seen: Look = ()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self._compare()
                await self._watch(await asyncio.to_thread(self._folders))
            except Exception as failure:  # the library's own kinds too: without events there is still the comparison
                self._troubled(f"{type(failure).__name__}: {getattr(failure, 'strerror', None) or failure}")
                await asyncio.sleep(EVERY / 1000)

    async def _watch(self, folders: dict[Path, Look]) -> None:
        """Watch as long as the folders stay those that they are."""
        notices = awatch(
            *folders,
            watch_filter=None,
            debounce=MAX_SERIES,
            step=QUIET,
            rust_timeout=EVERY,
            yield_on_timeout=True,
            recursive=False,
        )
        async with contextlib.aclosing(notices):
            self._troubled(None)
            await self._compare()  # what changed before the watch began
            async for _ in notices:
                await self._compare()
                if await asyncio.to_thread(self._folders) != folders:
                    return

    async def _compare(self) -> None:
        while not self._known or await asyncio.to_thread(_look, self._known) != self._seen:
            self._known = await asyncio.to_thread(self._files)
            self._seen = await asyncio.to_thread(_look, self._known)  # before they are read: a later change is seen
            await self._changed()
            self._known = await asyncio.to_thread(self._files)  # others, if the files changed between those two

    def _folders(self) -> dict[Path, Look]:
        """The folders of the files, and of what those lead to; with what they are. Raises OSError when one is gone."""
        folders = {file.absolute().parent for file in self._known} | {file.resolve().parent for file in self._known}
        return {folder: (_identity(folder),) for folder in sorted(folders)}


def _identity(path: Path) -> tuple[int, ...]:
    about = path.stat()
    return about.st_dev, about.st_ino


def _look(files: Sequence[Path]) -> Look:
    found: list[tuple[int, ...] | None] = []
    for file in files:
        try:
            about = file.stat()
        except OSError:
            found.append(None)
        else:
            found.append((about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns))
    return tuple(found)
