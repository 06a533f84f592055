"""`scripts/soak`: many streams for a long time; a third of the upstream calls fail, a tenth of the clients leave.

What must hold: no request hangs, no client gets a word of another's answer, and each sees a complete answer or an
error; and when all is quiet again, memory, sockets and tasks of the gateway are what they were.

Method. The gateway is a process of its own, told to say what its event loop has (`benchmarks.watched`). The providers
and the clients are this process. The load is run twice, with a quiet moment after each: after a warm-up, whose figures
are what the final ones are compared with, and after the run proper. At a quiet moment the providers cut all idle
connections, so that no socket is left that has a reason.
"""

import asyncio
import json
import pathlib
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvloop

from benchmarks.faults import SHARE, Faults, redacted
from benchmarks.servers import Process, gateway
from proxy.simulator import Simulator
from tests.end_to_end.leaving import WAYS
from tests.end_to_end.wire import Client, Response, chat, client, responses

LEAVING = 0.1
"""The share of clients that leave."""

LONGEST = 40.0
"""Seconds after which a request counts as hung: more than `timeouts.total`."""

GROWTH = 24_000_000
"""Bytes that memory may grow by: what allocators keep, at this load."""

QUIET = 4.0
"""Seconds for what is left of a load to end."""

CONFIG = """
  "soak-openai": {targets: [openai/soak, {target: anthropic/soak, weight: 0.2}], fallbacks: [spare]}
  "soak-anthropic": {targets: [{target: anthropic/soak}, {target: gemini/soak, max_streams: 40}], fallbacks: [spare]}
  "soak-gemini": {targets: [gemini/soak, openai/soak], strategy: lowest_latency}
  "spare": {target: openai/spare}
default_policies: [redact/pii]
policies: {redact/pii: {rules: [{name: email, entity: email}, {name: card, entity: credit_card, mask: "*"}]}}
timeouts: {first_token: 2, idle: 2, write: 5, total: 30}
retries: {attempts: 3, backoff: {initial: 0.05, max: 1}, cooldown: {failures: 8, seconds: 1}}
"""
MODELS = ("soak-openai", "soak-anthropic", "soak-gemini")


@dataclass(frozen=True, slots=True)
class Quiet:
    """The gateway when it has nothing to do. `memory` in bytes."""

    memory: int
    sockets: int
    tasks: int


@dataclass(slots=True)
class Seen:
    """What the clients saw: `ends` counts how their requests ended, `wrong` says what must not have been."""

    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """The clients' side. `streams` are at work at any time."""

    port: int
    streams: int
    seen: Seen
    random: random.Random

    async def run(self, seconds: float) -> None:
        """Ask until the time is over, and until each request has ended."""
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for worker in range(self.streams):
                group.create_task(self._work(worker, until))

    async def _work(self, worker: int, until: float) -> None:
        await asyncio.sleep(self.random.random())
        while time.monotonic() < until:
            began = time.monotonic()
            prompt = "".join(self.random.choices("bcdfghjklmnpqrstvwxz", k=8))
            try:
                await self._ask(prompt)
            except TimeoutError:
                self.seen.wrong.append(f"{prompt}: hung")
            except OSError as error:
                self.seen.wrong.append(f"{prompt}: {error!r}")
            self.seen.slowest = max(self.seen.slowest, time.monotonic() - began)

    async def _ask(self, prompt: str) -> None:
        stream = self.random.random() < 0.75
        request = chat(self.random.choice(MODELS), "connection: close", prompt=prompt, stream=stream)
        async with client(self.port) as one:
            await one.send(request)
            left = self.random.random() < LEAVING and await self._leave(one)
            if not left:
                await one.rest(seconds=LONGEST)
            self._judge(prompt, bytes(one.seen), stream, left=left)

    async def _leave(self, one: Client) -> bool:
        """Leave some time, unless the response was over before."""
        try:
            await one.rest(seconds=self.random.uniform(0, 2))
        except TimeoutError:
            WAYS[self.random.choice(list(WAYS))](one)
            return True
        return False

    def _judge(self, prompt: str, wire: bytes, stream: bool, *, left: bool) -> None:
        """Note how a request ended, and what must not be."""
        found = responses(wire) if wire else []
        text, end = _told(found[0], stream) if found else ("", "nothing")
        expected = redacted(prompt)
        if not expected.startswith(text):
            self.seen.wrong.append(f"{prompt}: got {text[-80:]!r}, not its own answer")
        if end == "complete" and text != expected:
            self.seen.wrong.append(f"{prompt}: a part of its answer was told as all of it")
        self.seen.ends["left" if left else end] += 1


def _told(response: Response, stream: bool) -> tuple[str, str]:
    """The text that a response tells, and how it ends."""
    if not response.complete:
        return (response.text if stream and response.status == 200 else ""), "cut"
    if response.status != 200:
        return "", f"{response.status} {response.error['code']}"
    if not stream:
        return str(response.json["choices"][0]["message"]["content"]), "complete"
    last = response.events[-1] if response.events else None
    if last == "[DONE]":
        return response.text, "complete"
    return response.text, f"error event {last['error']['code']}" if last and "error" in last else "cut"


def run(seconds: int, streams: int, seed: int) -> int:
    """Soak and print what was found; the exit code is 1 if it must not be."""
    return uvloop.run(_run(seconds, streams, seed))


async def _run(seconds: int, streams: int, seed: int) -> int:
    faults, seen = Faults(seed), Seen()
    async with Simulator(keep=1) as sim:
        sim.answers |= {"soak": faults.answer, "spare": faults.answer}
        with _gateway(sim.url) as (process, window):
            port = int(process.url.rpartition(":")[2])
            load = Load(port, streams, seen, random.Random(seed))
            await load.run(min(120.0, max(10.0, seconds / 5)))
            before = await _quiet(process, window, sim)
            cpu, began = process.cpu(), time.monotonic()
            await load.run(seconds)
            used = (process.cpu() - cpu) / (time.monotonic() - began)
            after = await _quiet(process, window, sim)
            lines = _lines(window)[3:]
    wrong = [*_left_out(seen), *_grown(before, after), *_unfit(faults.met)]
    print(_report(seconds, streams, seen, faults.met))
    for name in ("lag", "work"):
        worst = sorted(line[name] for line in lines)
        print(f"event loop, each second's most {name}: p50 {worst[len(worst) // 2]:.0f} ms, most {worst[-1]:.0f} ms")
    print(f"gateway: {used:.2f} of a core; quiet before {before}, after {after}")
    print("\n".join(wrong) or "nothing wrong")
    return 1 if wrong else 0


@contextmanager
def _gateway(upstream: str) -> Iterator[tuple[Process, pathlib.Path]]:
    with tempfile.TemporaryDirectory() as folder:
        window = pathlib.Path(folder, "window")
        with gateway(upstream, CONFIG, command=("benchmarks.watched", str(window))) as process:
            yield process, window


async def _quiet(process: Process, window: pathlib.Path, sim: Simulator) -> Quiet:
    """The gateway's figures, once all has ended and the window is newer than that."""
    await asyncio.sleep(QUIET)
    for connection in list(sim._connections):
        connection.abort()
    await asyncio.sleep(QUIET)
    return Quiet(process.memory(), process.sockets(), int(_lines(window)[-1]["tasks"]))


def _lines(window: pathlib.Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in window.read_text().splitlines()]


# ---- what must hold
def _left_out(seen: Seen) -> list[str]:
    bad = [f"{count} responses: {end}" for end, count in seen.ends.items() if end in ("cut", "nothing")]
    return [*seen.wrong[:20], *bad]


def _grown(before: Quiet, after: Quiet) -> list[str]:
    found = []
    if after.memory - before.memory > GROWTH:
        found.append(f"memory grew from {before.memory / 1e6:.0f} to {after.memory / 1e6:.0f} MB")
    if after.sockets > before.sockets:
        found.append(f"sockets grew from {before.sockets} to {after.sockets}")
    if after.tasks > before.tasks:
        found.append(f"tasks grew from {before.tasks} to {after.tasks}")
    return found


def _unfit(met: Counter[str]) -> list[str]:
    """Whether the run was what it is meant to be."""
    share = 1 - met["none"] / met.total()
    return [] if abs(share - SHARE) < 0.1 else [f"{share:.0%} of the calls failed, not a third"]


def _report(seconds: int, streams: int, seen: Seen, met: Counter[str]) -> str:
    asked, failed = seen.ends.total(), met.total() - met["none"]
    ends = ", ".join(f"{end} {count}" for end, count in seen.ends.most_common())
    return (
        f"{streams} streams for {seconds} s: {asked} requests, {met.total()} calls, of which {failed} failed in "
        f"{len(met) - 1} ways\nends: {ends}\nslowest request {seen.slowest:.1f} s"
    )
