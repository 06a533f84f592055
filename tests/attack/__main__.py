"""`make attack`: hostile bodies, small ones that expand and large ones, against a gateway in a process of its own.

The simulator answers, in a third process. While one request runs, a thread asks `/healthz` all the time, on a
connection of its own. Two figures are shown for its slowest answer: the time, which depends on the machine too, and the
CPU time that the gateway used meanwhile. Memory is the gateway's peak while the request ran, minus its memory before. A
line is marked if a limit is broken: an answer that is neither 200 nor 4xx, or an answer of `/healthz` that took 100 ms
by both measures.
"""

import argparse
import http.client
import sys
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import Process, gateway, simulator
from tests.attack.heartbeat import Heartbeat
from tests.attack.shapes import Shape, body, shapes

MEGABYTE = 2**20
LARGE = 20 * MEGABYTE - 1024
SMALL = 30_000
STALL = 0.1
ANSWER = "sim.tokens-4.chunk-0"

EXTRA = """
  'lenient-anthropic-*': {target: 'anthropic/*', drop_params: true}
  'lenient-gemini-*': {target: 'gemini/*', drop_params: true}
  'litellm-openai-*': {target: 'openai/*', engine: litellm, drop_params: true}
  'litellm-anthropic-*': {target: 'anthropic/*', engine: litellm, drop_params: true}
  'litellm-gemini-*': {target: 'gemini/*', engine: litellm, drop_params: true}
  'ruled-*': {target: 'openai/*', policies: [json_guard/j, redact/r, token_cap/t, cost_cap/c]}
policies:
  json_guard/j: {on_invalid: stop}
  redact/r: {direction: both, rules: [{name: pii, entity: pii}, {name: secrets, entity: secrets}]}
  token_cap/t: {max_tokens: 1000}
  cost_cap/c: {max_usd: 1000}
prices: {sim: {input: 0.1, output: 0.1}}
"""
MODELS = {
    "openai": "openai",
    "anthropic": "lenient-anthropic",
    "gemini": "lenient-gemini",
    "ruled": "ruled",
    "litellm-openai": "litellm-openai",
    "litellm-anthropic": "litellm-anthropic",
    "litellm-gemini": "litellm-gemini",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one body."""

    answer: str
    stall: float
    busy: float
    seconds: float
    memory: int

    @property
    def right(self) -> bool:
        return min(self.stall, self.busy) < STALL and self.answer[:1] in "24"


def main() -> int:
    options = _options()
    broken = 0
    with simulator() as upstream, gateway(upstream.url, EXTRA) as process, Heartbeat(process.url, process.pid) as heart:
        time.sleep(2)
        print(f"without a request /healthz takes up to {heart.worst * 1000:.0f} ms", flush=True)
        print(f"{'to':17} {'shape':35} {'bytes':>9} {'s':>6} {'/healthz ms':>11} {'CPU ms':>6} {'MB':>5}  answer")
        for name, prefix, shape_name, shape, size in _runs(options):
            raw = body(shape, f"{prefix}-{ANSWER}", size)
            one = _attack(process, heart, raw)
            broken += not one.right
            mark = " " if one.right else "!"
            print(
                f"{name:17} {shape_name:35} {len(raw):9,} {one.seconds:6.2f} {one.stall * 1000:11.0f} "
                f"{one.busy * 1000:5.0f}{mark} {one.memory / MEGABYTE:5.0f}  {one.answer}",
                flush=True,
            )
    print(f"{broken} beyond a bound")
    return 1 if broken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/attack", description=__doc__.partition("\n")[0])
    parser.add_argument("--to", nargs="*", choices=MODELS, default=list(MODELS), help="where the requests go")
    parser.add_argument("--shape", default="", help="only shapes whose name has this in it")
    parser.add_argument("--bytes", nargs="*", type=float, default=[SMALL, LARGE], help="sizes of the bodies")
    return parser.parse_args()


def _runs(options: argparse.Namespace) -> Iterator[tuple[str, str, str, Shape, int]]:
    for name in options.to:
        for shape_name, shape in shapes():
            if options.shape not in shape_name:
                continue
            made: set[int] = set()
            for size in map(int, options.bytes):
                length = len(body(shape, "m", size))
                if length not in made and length < LARGE + 1024:  # some shapes have one size
                    made.add(length)
                    yield name, MODELS[name], shape_name, shape, size


def _attack(process: Process, heart: Heartbeat, raw: bytes) -> Outcome:
    before = _peak(process, reset=True)
    heart.reset()
    begun = time.monotonic()
    answer = _asked(process.url, raw)
    seconds = time.monotonic() - begun
    time.sleep(0.05)
    return Outcome(answer, heart.worst, heart.busy, seconds, _peak(process) - before)


def _asked(url: str, raw: bytes) -> str:
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=600)
    try:
        connection.request("POST", "/v1/chat/completions", raw, {"content-type": "application/json"})
        response = connection.getresponse()
        said = response.read().decode()
        return f"{response.status} {'' if response.status == 200 else said.partition('message')[2][3:70]}"
    except OSError as error:
        return f"no answer: {error!r}"
    finally:
        connection.close()


def _peak(process: Process, *, reset: bool = False) -> int:
    """Return the peak memory of the process since the last reset."""
    if reset:
        Path(f"/proc/{process.pid}/clear_refs").write_text("5")
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    sys.exit(main())
