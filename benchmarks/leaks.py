"""`scripts/bench leaks`: which gateways leak secrets of an answer, in which fields, and the cost of their filters.

The simulator sends made-up secrets in each field, cut at every position (`leak_cases`). Each gateway runs in a process
of its own with rules for the same kinds. Everything that its client receives is searched (`leak_answers`). A kind that
a gateway does not find even whole in plain content is not counted against it, but named. Lost means that the clean text
around the secret did not arrive. The delay is measured where the provider pauses in clean prose: the characters that it
sent minus those that the client has. Delay and CPU are measured with personal data in the prompt, so that no gateway
takes a shortcut.
"""

import asyncio
import contextlib
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from benchmarks import peers
from benchmarks.environments import LITELLM, SHIELD, Missing
from benchmarks.leak_answers import RUN, Texts, arrived, leaked, texts_of
from benchmarks.leak_cases import AFTER, BEFORE, PERSONAL_PROMPT, PLACES, SECRETS, Case, Place, cases, control
from benchmarks.load import Ask, load
from benchmarks.load import run as run_load
from benchmarks.servers import Process, gateway, simulator

_AT_ONCE = 6
_STALLS = range(20, 60, 2)
_QUIET = 2.0
_PACED = (30, 20, 5)
"""Streams, chunks a second, seconds."""

PROSE = (
    "When the river rose in spring, the people of the valley moved their boats to the upper bridge and waited. Nobody "
    "hurried, because the water had always gone down again before the first of June, and the fields grew better. "
)


@dataclass(frozen=True, slots=True)
class Product:
    """A gateway: how it is run in front of an upstream, and the prefix of its models' names."""

    name: str
    run: Callable[[str], contextlib.AbstractContextManager[Process]]
    prefix: str = ""


@dataclass(slots=True)
class Count:
    """The results of one place's runs."""

    runs: int = 0
    leaks: int = 0
    lost: int = 0
    kinds: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Result:
    """One product's figures. `unknown` are the kinds that it does not find, `delay` is in characters, `cpu` in µs per
    chunk.
    """

    name: str
    places: dict[str, Count] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    delay: list[int] = field(default_factory=list)
    cpu: float = 0.0


def sluice(upstream: str) -> contextlib.AbstractContextManager[Process]:
    """Start Sluice with one rule for each kind."""
    rules = ", ".join(f"{{name: {secret.entity}, entity: {secret.entity}}}" for secret in SECRETS)
    return gateway(upstream, f"default_policies: [redact/all]\npolicies: {{redact/all: {{rules: [{rules}]}}}}\n")


def filtering_litellm(upstream: str) -> contextlib.AbstractContextManager[Process]:
    """Start LiteLLM's proxy with one pattern for each kind."""
    return peers.litellm(upstream, [secret.pattern for secret in SECRETS])


PRODUCTS = (
    Product("Sluice", sluice, "openai-"),
    Product(LITELLM.replace("litellm[proxy]==", "LiteLLM "), filtering_litellm, "openai-"),
    Product(SHIELD.replace("llm-shield-proxy==", "LLM-Shield-Proxy "), peers.shield),
)


def run(places: Iterable[str] = ()) -> int:
    """Measure and print a table. The exit code is 1 if Sluice leaks or loses anything."""
    chosen = [place for place in PLACES if not places or place.name in places]
    results = []
    with simulator() as upstream:
        for product in PRODUCTS:
            print(f"{product.name} …", file=sys.stderr, flush=True)
            try:
                with product.run(upstream.url) as server:
                    results.append(_measured(product, server, upstream, chosen))
            except (Missing, RuntimeError) as missing:
                print(f"{product.name} is left out: {missing}", file=sys.stderr)
    print(_table(results, chosen))
    ours = results[0].places.values()
    return 1 if any(count.leaks or count.lost for count in ours) or results[0].unknown else 0


def _measured(product: Product, server: Process, upstream: Process, places: list[Place]) -> Result:
    result = Result(product.name)
    asyncio.run(_search(product, server, upstream, places, result))
    streams, rate, seconds = _PACED
    model = f"{product.prefix}sim-long.pace-{1000 // rate}.chunk-4.tokens-{rate * seconds}"
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": PERSONAL_PROMPT}]}
    ask = Ask(server.url, "/v1/chat/completions", {"authorization": f"Bearer {peers.KEY}"}, body)
    before = server.cpu()
    run_load(load(ask, streams))
    result.cpu = (server.cpu() - before) / (streams * rate * seconds) * 1e6
    return result


async def _search(product: Product, server: Process, upstream: Process, places: list[Place], result: Result) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        asking = _Asking(session, product, server.url, upstream.url)
        for secret in SECRETS:
            (texts,) = await asking.all([control(secret)])
            if leaked(texts, secret.text) or not texts:
                result.unknown.append(secret.entity)
        for place in places:
            todo = [case for case in cases(place) if case.secret.entity not in result.unknown]
            count = result.places[place.name] = Count()
            for case, texts in zip(todo, await asking.all(todo), strict=True):
                _count(count, case, texts)
            print(f"  {place.name}: {_cell(count)}", file=sys.stderr, flush=True)
        result.delay = await asking.delays()


def _count(count: Count, case: Case, texts: Texts) -> None:
    paths = leaked(texts, case.secret.text)
    if case.place.name == "logprobs":
        paths = [path for path in paths if "logprobs" in path]
    count.runs += 1
    count.leaks += bool(paths)
    count.kinds[case.secret.entity] += bool(paths)
    if case.place.end == "stop" and not arrived(texts, case.place.seen, (BEFORE[:40], AFTER[-20:])):
        count.lost += 1


@dataclass(frozen=True, slots=True)
class _Asking:
    """Requests to one product, several at once."""

    session: aiohttp.ClientSession
    product: Product
    url: str
    upstream: str

    async def all(self, todo: list[Case]) -> list[Texts]:
        """Return the received texts of each case, empty for no answer."""
        await self._answers({case.model: case.answer for case in todo})
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(case: Case) -> Texts:
            async with gate:
                request = {"stream": True, **case.place.request}
                return texts_of(await self._post(case.model, case.place.prompt, request))

        return list(await asyncio.gather(*map(one, todo)))

    async def delays(self) -> list[int]:
        """Measure the characters of clean prose held back while the provider pauses."""
        stalled = {
            f"stall-{at}": {"text": PROSE * 2, "chunk": 4, "pace": 0.005, "fault": {"kind": "stall", "after": at}}
            for at in _STALLS
        }
        await self._answers(stalled)
        bodies = await asyncio.gather(*(self._post(model, PERSONAL_PROMPT, {"stream": True}) for model in stalled))
        got = [texts_of(body) for body in bodies]
        texts = [max((text for path, text in t.items() if path.endswith(".content")), key=len, default="") for t in got]
        return [4 * at - len(text) for at, text in zip(_STALLS, texts, strict=True)]

    async def _answers(self, answers: dict[str, dict[str, Any]]) -> None:
        async with self.session.post(f"{self.upstream}/_sim/answers", json=answers) as response:
            if response.status != 200:
                raise RuntimeError(f"the simulator refused the answers: {await response.text()}")

    async def _post(self, model: str, prompt: str, request: dict[str, Any]) -> bytes:
        """Return the body as far as it arrived before the end, an error or silence."""
        body = {"model": self.product.prefix + model, "messages": [{"role": "user", "content": prompt}], **request}
        headers = {"authorization": f"Bearer {peers.KEY}"}
        quiet = aiohttp.ClientTimeout(total=30, sock_read=_QUIET + 3 * (not request["stream"]))
        got = bytearray()
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            url = f"{self.url}/v1/chat/completions"
            async with self.session.post(url, json=body, headers=headers, timeout=quiet) as response:
                async for data in response.content.iter_any():
                    got += data
        return bytes(got)


def _table(results: list[Result], places: list[Place]) -> str:
    lines = [f"| leaked / runs | {' | '.join(result.name for result in results)} |", "|---|" + "---|" * len(results)]
    for place in places:
        lines.append(f"| {place.name} | {' | '.join(_cell(result.places[place.name]) for result in results)} |")
    delays = " | ".join(f"{statistics.mean(r.delay):.1f} ({max(r.delay)})" for r in results)
    lines.append(f"| delay of clean prose in characters, mean (most) | {delays} |")
    lines.append(f"| CPU µs a chunk | {' | '.join(f'{result.cpu:.0f}' for result in results)} |")
    lines += ["", f"A leak: {RUN} or more characters of a secret in a row, anywhere in what the client received."]
    lines += list(_remarks(results))
    return "\n".join(lines)


def _cell(count: Count) -> str:
    return f"{count.leaks} / {count.runs}" + (f" ({count.lost} lost)" if count.lost else "")


def _remarks(results: list[Result]) -> Iterator[str]:
    for result in results:
        if result.unknown:
            yield f"{result.name} does not find, so these are not counted for it: {', '.join(result.unknown)}."
        for place, count in result.places.items():
            if 0 < count.leaks < count.runs:
                kinds = ", ".join(f"{kind} {leaks}" for kind, leaks in count.kinds.most_common() if leaks)
                print(f"{result.name}, {place}: {kinds}", file=sys.stderr)
