"""Detect changes of files.

Directories are watched, not files. An editor saves by a rename, and Kubernetes swaps the symlink `..data` beside the
files, so a watched file would be a stale one. An event's content is ignored: it only triggers a comparison of the files
that the paths lead to (device, inode, size, times). The comparison also runs once a second without an event. This
covers file systems without events (network mounts), and directories that were missing.
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
"""Milliseconds without a change that end a series of changes. A program that writes a file in pieces can finish."""

MAX_SERIES = 400
"""Milliseconds after which a series is over in any case."""

EVERY = 1000
"""Milliseconds between two comparisons without events."""

Look: TypeAlias = tuple[tuple[int, ...] | None, ...]


class Watcher:
    """Calls `changed` when the files that `files` returns have changed, and once at the start.

    `troubled` gets the reason why changes are noticed late, and None when they are noticed at once again.
    """

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
            except Exception as failure:  # includes the library's own errors: the comparison works without events
                self._troubled(f"{type(failure).__name__}: {getattr(failure, 'strerror', None) or failure}")
                await asyncio.sleep(EVERY / 1000)

    async def _watch(self, folders: dict[Path, Look]) -> None:
        """Watch while the folders stay the same."""
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
            await self._compare()  # find changes from before the watch began
            async for _ in notices:
                await self._compare()
                if await asyncio.to_thread(self._folders) != folders:
                    return

    async def _compare(self) -> None:
        while not self._known or await asyncio.to_thread(_look, self._known) != self._seen:
            self._known = await asyncio.to_thread(self._files)
            self._seen = await asyncio.to_thread(
                _look, self._known
            )  # before they are read, so that a later change is noticed
            await self._changed()
            self._known = await asyncio.to_thread(self._files)  # these differ if the files changed in between

    def _folders(self) -> dict[Path, Look]:
        """Return the folders of the files and of their symlink targets, with their identity. Raises OSError if one is
        missing.
        """
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
