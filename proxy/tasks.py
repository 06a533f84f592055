"""Tasks with a strong reference. asyncio itself keeps weak references only, so an unreferenced task may vanish."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")
_running: set[asyncio.Task[Any]] = set()


def spawn(work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
    """Start a task and keep a reference until it is done."""
    task = asyncio.get_running_loop().create_task(work)
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task
