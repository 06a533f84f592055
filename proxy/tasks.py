"""Tasks that somebody holds: asyncio itself keeps only weak references, so a task nobody holds may vanish
mid-flight."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")
_running: set[asyncio.Task[Any]] = set()


def spawn(work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
    """Start a task and hold it until it is done."""
    task = asyncio.get_running_loop().create_task(work)
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task
