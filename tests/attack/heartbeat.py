"""Measure the time that a gateway needs to answer `/healthz` while something else happens."""

import http.client
import threading
import time
import urllib.parse
from types import TracebackType

INTERVAL = 0.005


class Heartbeat:
    """Sends requests all the time, on a connection and in a thread of its own.

    `worst` is the longest answer's time in seconds, including the current one. With the gateway's `pid`, `busy` is the
    most CPU time that the gateway's process used while an answer was awaited. On an idle machine, the answer would have
    taken that long.
    """

    def __init__(self, url: str, pid: int | None = None) -> None:
        self._host = urllib.parse.urlsplit(url).netloc
        self._cpu = None if pid is None else (~pid << 3) | 2  # Linux's clock of another process
        self._asked: tuple[float, float] | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.reset()

    def reset(self) -> None:
        """Reset the figures."""
        self._worst = self._busy = 0.0

    @property
    def worst(self) -> float:
        self._told()
        return self._worst

    @property
    def busy(self) -> float:
        self._told()
        return self._busy

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(self._host, timeout=300)
        while not self._over.wait(INTERVAL):
            self._asked = self._now()
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            self._told()
            self._asked = None
        connection.close()

    def _told(self) -> None:
        """Count the time of the current answer so far."""
        if (asked := self._asked) is not None:
            wall, cpu = self._now()
            self._worst, self._busy = max(self._worst, wall - asked[0]), max(self._busy, cpu - asked[1])

    def _now(self) -> tuple[float, float]:
        return time.monotonic(), 0.0 if self._cpu is None else time.clock_gettime(self._cpu)
