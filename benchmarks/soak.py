"""`scripts/soak`: many streams for a long time. A third of the upstream calls fail, and a tenth of the clients leave.

No request may hang. No client may get a word of another's answer. Each client must see a complete answer or an error.
After the load, memory, sockets and tasks of the gateway must return to their earlier values. With `--attack` a share of
the requests are attacks (`benchmarks.attacks`), and some of the other clients share a hostile provider
(`benchmarks.hostile`). An undisturbed client's first token must then not be late (`benchmarks.probe`).

The gateway is a process of its own that reports its event loop's state (`benchmarks.watched`). The providers and the
clients are this process. The load runs twice, with a quiet period after each: once as a warm-up, whose figures are the
reference, and once for the measurement. In a quiet period the providers close all idle connections, so that no socket
has a reason to stay open.
"""

import asyncio
import json
import pathlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvloop

from benchmarks import attacks as hostile_clients
from benchmarks import probe
from benchmarks.attacks import Attacks
from benchmarks.faults import SHARE, Faults, redacted, said
from benchmarks.hostile import Hostile, hostile
from benchmarks.servers import Process, gateway, paced
from proxy.simulator import Simulator
from tests.end_to_end.leaving import WAYS
from tests.end_to_end.wire import Client, Response, chat, client, responses

LEAVING = 0.1
"""Share of clients that leave."""

MAX_LENGTH = 40.0
"""Seconds after which a request counts as hung, more than `timeouts.total`."""

GROWTH = 24_000_000
"""Maximum growth of memory in bytes: what allocators keep at this load."""

ATTACKED = 200_000_000
"""The same under attack, because bodies of megabytes leave more behind, once."""

LATEST = 100.0
"""Maximum milliseconds of the 99th percentile of an undisturbed client's time to the first token, under attack."""

QUIET = 4.0
"""Seconds for the rest of a load to end."""

CONFIG = """
  "soak-openai": {targets: [openai/soak, {target: anthropic/soak, weight: 0.2}], fallbacks: [spare]}
  "soak-anthropic": {targets: [{target: anthropic/soak}, {target: gemini/soak, max_streams: 40}], fallbacks: [spare]}
  "soak-gemini": {targets: [gemini/soak, openai/soak], strategy: lowest_latency}
  "spare": {target: openai/spare}
  "soak-json": {target: openai/soak, policies: [json_guard/strict]}
  "soak-guarded": {target: openai/soak, policies: [redact/both]}
  "quick-*": {target: "quick/*"}
  "hostile-*": {target: "hostile/*"}
default_policies: [redact/pii]
policies:
  redact/pii: {rules: [{name: email, entity: email}, {name: card, entity: credit_card, mask: "*"}]}
  redact/both: {direction: both, rules: [{name: pii, entity: pii}, {name: secrets, entity: secrets}]}
  json_guard/strict: {on_invalid: stop}
auth:
  keys: [{name: soak, key: KEY}, {name: probe, key: PROBE}, {name: attacker, key: ATTACKER}]
timeouts: {first_token: 2, idle: 2, write: 5, total: 30}
retries: {attempts: 3, backoff: {initial: 0.05, max: 1}, cooldown: {failures: 8, seconds: 1}}
"""
PROVIDERS = """
  quick: {api: openai, api_key: bench, base_url: "QUICK/v1"}
  hostile: {api: openai, api_key: bench, base_url: "HOSTILE/v1"}
"""
MODELS = ("soak-openai", "soak-anthropic", "soak-gemini")
KEY = "soak-clients-key"


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings: duration after a warm-up, concurrent streams, seed of the faults, share of attacks."""

    seconds: int
    streams: int
    seed: int
    attack: float = 0.0


@dataclass(frozen=True, slots=True)
class Quiet:
    """The idle gateway's figures. `memory` is in bytes."""

    memory: int
    sockets: int
    tasks: int


@dataclass(slots=True)
class Seen:
    """The clients' results. `ends` counts how their requests ended, `wrong` lists forbidden results."""

    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """The clients. `streams` run at any time. A share `attack` of their requests are attacks."""

    port: int
    streams: int
    seen: Seen
    random: random.Random
    attacks: Attacks
    attack: float

    async def run(self, seconds: float) -> None:
        """Send requests until the time is over, and wait until each has ended."""
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for worker in range(self.streams):
                group.create_task(self._work(worker, until))

    async def _work(self, worker: int, until: float) -> None:
        await asyncio.sleep(self.random.random())
        while time.monotonic() < until:
            if self.random.random() < self.attack:
                await self.attacks.one(self.port)
                continue
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
        model = self.random.choice((*MODELS, "hostile-plain") if self.attack else MODELS)
        request = chat(model, "connection: close", f"authorization: Bearer {KEY}", prompt=prompt, stream=stream)
        async with client(self.port) as one:
            await one.send(request)
            left = self.random.random() < LEAVING and await self._leave(one)
            if not left:
                await one.rest(seconds=MAX_LENGTH)
            self._judge(prompt, bytes(one.seen), stream, left=left)

    async def _leave(self, one: Client) -> bool:
        """Leave at some time, unless the response has already ended."""
        try:
            await one.rest(seconds=self.random.uniform(0, 2))
        except TimeoutError:
            WAYS[self.random.choice(list(WAYS))](one)
            return True
        return False

    def _judge(self, prompt: str, wire: bytes, stream: bool, *, left: bool) -> None:
        """Record how a request ended, and forbidden results."""
        found = responses(wire) if wire else []
        text, end = _told(found[0], stream) if found else ("", "nothing")
        expected = redacted(prompt)
        if not expected.startswith(text):
            self.seen.wrong.append(f"{prompt}: got {text[-80:]!r}, not its own answer")
        if end == "complete" and text != expected:
            self.seen.wrong.append(f"{prompt}: a part of its answer was told as all of it")
        self.seen.ends["left" if left else end] += 1


def _told(response: Response, stream: bool) -> tuple[str, str]:
    """Return the text of a response, and its end."""
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


def run(plan: Plan) -> int:
    """Soak and print the result. The exit code is 1 if a rule is broken."""
    return uvloop.run(_run(plan))


async def _run(plan: Plan) -> int:
    faults, seen, attacks = Faults(plan.seed), Seen(), Attacks(random.Random(plan.seed))
    with ExitStack() as quickly:
        quick = quickly.enter_context(paced())
        async with Simulator(keep=1) as sim, hostile(said, plan.seed) as harmful:
            sim.answers |= {"soak": faults.answer, "spare": faults.answer}
            with _gateway(sim.url, quick.url, harmful.url) as (process, window):
                port = int(process.url.rpartition(":")[2])
                load = Load(port, plan.streams, seen, random.Random(plan.seed), attacks, plan.attack)
                await load.run(min(120.0, max(10.0, plan.seconds / 5)))
                before = await _quiet(process, window, sim, harmful)
                cpu, began = process.cpu(), time.monotonic()
                probing = await _probing(process.url, quick.url, plan.seconds)
                await load.run(plan.seconds)
                used = (process.cpu() - cpu) / (time.monotonic() - began)
                probed = json.loads((await probing.communicate())[0].splitlines()[-1])
                quickly.close()
                after = await _quiet(process, window, sim, harmful)
                lines = _lines(window)[3:]
    wrong = [*_left_out(seen), *attacks.wrong[:20], *_grown(before, after, plan), *_unfit(faults.met)]
    wrong += _late(probed) if plan.attack else []
    print(_report(plan, seen, faults.met))
    if plan.attack:
        print(attacks.report())
    print(_probed(probed))
    for name in ("lag", "work"):
        worst = sorted(line[name] for line in lines)
        most = (
            f"p50 {worst[len(worst) // 2]:.0f} ms, p99 {worst[len(worst) * 99 // 100]:.0f} ms, most {worst[-1]:.0f} ms"
        )
        print(f"event loop, each second's most {name}: {most}")
    print(f"gateway: {used:.2f} of a core; quiet before {before}, after {after}")
    print("\n".join(wrong) or "nothing wrong")
    return 1 if wrong else 0


@contextmanager
def _gateway(upstream: str, quick: str, harmful: str) -> Iterator[tuple[Process, pathlib.Path]]:
    config = CONFIG.replace("KEY", KEY, 1).replace("PROBE", probe.KEY, 1).replace("ATTACKER", hostile_clients.KEY, 1)
    providers = PROVIDERS.replace("QUICK", quick).replace("HOSTILE", harmful)
    with tempfile.TemporaryDirectory() as folder:
        window = pathlib.Path(folder, "window")
        command = ("benchmarks.watched", str(window))
        with gateway(upstream, config, providers=providers, command=command) as process:
            yield process, window


async def _probing(gateway_url: str, direct: str, seconds: float) -> asyncio.subprocess.Process:
    """Start the undisturbed client in a process of its own."""
    command = (sys.executable, "-m", "benchmarks.probe", gateway_url, direct, str(seconds))
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)


async def _quiet(process: Process, window: pathlib.Path, sim: Simulator, harmful: Hostile) -> Quiet:
    """Return the gateway's figures, once all requests have ended and the window is newer than that."""
    await asyncio.sleep(QUIET)
    harmful.cut()
    for connection in list(sim._connections):
        connection.abort()
    await asyncio.sleep(QUIET)
    return Quiet(process.memory(), process.sockets(), int(_lines(window)[-1]["tasks"]))


def _lines(window: pathlib.Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in window.read_text().splitlines()]


# ---- rules
def _left_out(seen: Seen) -> list[str]:
    bad = [f"{count} responses: {end}" for end, count in seen.ends.items() if end in ("cut", "nothing")]
    return [*seen.wrong[:20], *bad]


def _grown(before: Quiet, after: Quiet, plan: Plan) -> list[str]:
    found = []
    if after.memory - before.memory > (ATTACKED if plan.attack else GROWTH):
        found.append(f"memory grew from {before.memory / 1e6:.0f} to {after.memory / 1e6:.0f} MB")
    if after.sockets > before.sockets:
        found.append(f"sockets grew from {before.sockets} to {after.sockets}")
    if after.tasks > before.tasks:
        found.append(f"tasks grew from {before.tasks} to {after.tasks}")
    return found


def _late(probed: Mapping[str, Any]) -> list[str]:
    """List the rules that an undisturbed client saw broken. Delays of the machine itself are subtracted."""
    own = _quantile(probed["gateway"], 99) - _quantile(probed["direct"], 99)
    late = [f"first token p99 {own:.0f} ms beyond the provider's, not {LATEST:.0f}"] if own > LATEST else []
    return [*late, *([f"{probed['failed']} requests of an undisturbed client failed"] if probed["failed"] else [])]


def _probed(probed: Mapping[str, Any]) -> str:
    """Format the undisturbed client's times to the first token."""
    told = []
    for name in ("gateway", "direct"):
        p50, p99, most = (_quantile(probed[name], percent) for percent in (50, 99, 100))
        told.append(f"{name} p50 {p50:.1f}, p99 {p99:.1f}, most {most:.1f} ms of {len(probed[name])}")
    return f"first token of an undisturbed client: {'; '.join(told)}; {probed['failed']} failed"


def _quantile(times: Sequence[float], percent: int) -> float:
    return times[min(len(times) - 1, len(times) * percent // 100)]


def _unfit(met: Counter[str]) -> list[str]:
    """List the reasons why the run was not a valid test."""
    share = 1 - met["none"] / met.total()
    return [] if abs(share - SHARE) < 0.1 else [f"{share:.0%} of the calls failed, not a third"]


def _report(plan: Plan, seen: Seen, met: Counter[str]) -> str:
    asked, failed = seen.ends.total(), met.total() - met["none"]
    ends = ", ".join(f"{end} {count}" for end, count in seen.ends.most_common())
    return (
        f"{plan.streams} streams for {plan.seconds} s: {asked} requests, {met.total()} calls, of which {failed} failed "
        f"in {len(met) - 1} ways\nends: {ends}\nslowest request {seen.slowest:.1f} s"
    )
