"""The thread that LiteLLM runs in, and its event loop.

Theory. LiteLLM maps requests, chunks and errors in Python: a millisecond for most, seconds for some that a client or a
provider can make. On the gateway's event loop nobody else would be served meanwhile, and no time limit would fire. In a
thread of its own the interpreter leaves it for the gateway's loop twice in a millisecond, and a call whose time is over
is given up while LiteLLM still works.

Rules:
- The sockets are the gateway's. This loop opens none: what LiteLLM sends goes out through `proxy.providers.exchange`.
- A call that was given up goes on until LiteLLM notices. So only a few calls are prepared at one time, and others wait
  for their turn on the gateway's loop, where waiting can be cancelled and costs nothing.
- All threads are daemons: the process ends whatever they do.
"""

import asyncio
import contextlib
import inspect
import queue
import threading
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from typing import Any, Final, NoReturn, TypeAlias

from proxy.access.slots import Slots
from proxy.providers.mapping.workers import MAX_MEDIUM, MAX_WAIT, MAX_WAITING

MAX_MEDIUM_PREPARING: Final = 6
"""Calls that LiteLLM prepares at one time, until their request goes out: those of up to `MAX_MEDIUM` bytes."""

MAX_LARGE_PREPARING: Final = 2
"""And larger ones. Those that are not large never wait for them."""

_PATIENCE: Final = 2
"""Seconds for what still runs when the thread is stopped."""

_Job: TypeAlias = "tuple[Future[Any], Callable[..., Any], tuple[Any, ...]] | None"


class LiteLLMThread:
    """The thread. It starts with the first work for it. For use by one event loop."""

    def __init__(self) -> None:
        self._loop: _Loop | None = None
        self._ended = asyncio.Event()
        self._medium = Slots(MAX_MEDIUM_PREPARING, MAX_WAITING, MAX_WAIT)
        self._large = Slots(MAX_LARGE_PREPARING, MAX_WAITING, MAX_WAIT)

    async def turn(self, size: int) -> Callable[[], None]:
        """Wait until a call with a body of `size` bytes may be prepared. Gives what ends its turn; calling that again
        does nothing. Raises `Overloaded`."""
        places = self._medium if size <= MAX_MEDIUM else self._large
        await places.take("The translation of requests")
        over = False

        def end() -> None:
            nonlocal over
            if not over:
                over = True
                places.give_back()

        return end

    def start(self, work: Coroutine[Any, Any, None], over: Callable[[], None]) -> Callable[[], None]:
        """Run `work` on the thread's loop, and call `over` here when it has ended. Gives what cancels it."""
        loop = self._started()
        here = asyncio.get_running_loop()
        tasks: list[asyncio.Task[None]] = []

        def begin() -> None:
            tasks.append(task := loop.create_task(work))
            task.add_done_callback(lambda _: _call(here, over))

        loop.call_soon_threadsafe(begin)
        return lambda: _call(loop, lambda: tasks[0].cancel())

    def _started(self) -> "_Loop":
        if self._loop is None:
            self._loop = loop = _Loop()
            here = asyncio.get_running_loop()

            def run() -> None:
                loop.run()
                _call(here, self._ended.set)

            threading.Thread(target=run, name="litellm", daemon=True).start()
        return self._loop

    async def aclose(self) -> None:
        """Cancel what runs, and end the thread. A thread that is stuck is left behind."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        loop.workers.close()
        asyncio.run_coroutine_threadsafe(_end(), loop)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self._ended.wait()


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    """Call `function` on another thread's loop, if that still runs."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(function)


async def _end() -> None:
    running = asyncio.all_tasks() - {asyncio.current_task()}
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    asyncio.get_running_loop().stop()


class _Loop(asyncio.SelectorEventLoop):
    """An event loop without network."""

    def __init__(self) -> None:
        super().__init__()
        self.workers = _Workers()

    def run(self) -> None:
        """Until it is stopped."""
        self.run_forever()
        self.run_until_complete(self.shutdown_asyncgens())
        self.close()

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """LiteLLM prepares its requests in the loop's own executor."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        return asyncio.wrap_future(self.workers.submit(func, args), loop=self)

    async def create_connection(self, *arguments: Any, **options: Any) -> NoReturn:
        """Refuse."""
        raise _refusal()

    async def create_datagram_endpoint(self, *arguments: Any, **options: Any) -> NoReturn:
        """Refuse."""
        raise _refusal()

    async def getaddrinfo(self, *arguments: Any, **options: Any) -> NoReturn:
        """Refuse."""
        raise _refusal()

    async def sock_connect(self, *arguments: Any) -> NoReturn:
        """Refuse."""
        raise _refusal()


def _refusal() -> OSError:
    return OSError("the connections to providers are the gateway's: LiteLLM opens none")


class _Prepared(Coroutine[Any, Any, Any]):
    """A coroutine that may be dropped without being awaited: a request that nobody wants any more when LiteLLM has
    prepared it."""

    def __init__(self, inner: Coroutine[Any, Any, Any]) -> None:
        self._inner = inner

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()

    def __del__(self) -> None:
        if inspect.getcoroutinestate(self._inner) == inspect.CORO_CREATED:
            self._inner.close()

    def send(self, value: Any) -> Any:
        """See `Coroutine`."""
        return self._inner.send(value)

    def throw(self, *failure: Any) -> Any:
        """See `Coroutine`."""
        return self._inner.throw(*failure)

    def close(self) -> None:
        """See `Coroutine`."""
        self._inner.close()


class _Workers:
    """Daemon threads, as many as calls are prepared. (Those of `ThreadPoolExecutor` hold up the end of the process.)"""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._count = 0

    def submit(self, func: Callable[..., Any], args: tuple[Any, ...]) -> "Future[Any]":
        """Call `func` in one of them."""
        job: Future[Any] = Future()
        self._jobs.put((job, func, args))
        if self._count < MAX_MEDIUM_PREPARING + MAX_LARGE_PREPARING:
            self._count += 1
            threading.Thread(target=self._work, name=f"litellm-{self._count}", daemon=True).start()
        return job

    def close(self) -> None:
        """Let them end."""
        for _ in range(self._count):
            self._jobs.put(None)

    def _work(self) -> None:
        while (taken := self._jobs.get()) is not None:
            job, func, args = taken
            if job.set_running_or_notify_cancel():
                try:
                    result = func(*args)
                    job.set_result(_Prepared(result) if inspect.iscoroutine(result) else result)
                    del result
                except BaseException as error:  # as `ThreadPoolExecutor`
                    job.set_exception(error)
            del taken, job, func, args  # a request's body among them
