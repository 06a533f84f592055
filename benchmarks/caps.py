"""Cost of the caps, json_guard and the ledger: `scripts/bench caps`.

Figures are CPU time of this process in microseconds for each chunk of four characters, the minimum of five passes. Each
pass has a new policy. `near` are the chunks of the last sixteen tokens before a cap, where the tokenizer is asked.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.redact import CHINESE, chunks, code, english, timed
from policies import POLICIES
from policies.base import Context, Policy, Request, Target
from policies.chain import Chain
from policies.events import Event, Text
from policies.prices import Price
from policies.steps import finished
from proxy.accounting import tokenizers
from proxy.accounting.ledger import Ledger

PASSES = 5
NEAR = 16
_SCHEMA = {
    "type": "object",
    "properties": {
        "rows": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"id": {"type": "integer"}, "text": {"type": "string"}},
                "required": ["id", "text"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["rows"],
}


def policy(kind: str, body: dict[str, Any] | None = None, **config: Any) -> Policy:
    """Make a policy that has seen its request."""
    context = Context(
        model="bench",
        clock=time.monotonic,
        json_answer=True,
        target=Target(price=Price(1, 4)),
        tokenizer=lambda: tokenizers.load("o200k_base"),
    )
    row = POLICIES[kind]
    made = row.build(f"{kind}/bench", row.config(**config), context)
    finished(Chain([made]).request(Request({"messages": [], **(body or {})})))
    return made


def measured(make: Callable[[], Callable[[Event], object]], text: str, skip: int = 0) -> float:
    """Measure microseconds per chunk for the chunks of `text` from the character `skip` on."""
    events: list[Event] = [Text(0, "content", piece) for piece in chunks(text)]
    before, after = events[: skip // 4], events[skip // 4 :]
    return min(_pass(make(), before, after) for _ in range(PASSES)) / len(after) * 1e6


def _pass(feed: Callable[[Event], object], before: Sequence[Event], after: Sequence[Event]) -> float:
    for event in before:
        feed(event)
    return timed(lambda: [feed(event) for event in after])


def eager(made: Policy) -> Callable[[Event], object]:
    """Return its `feed`, read to the end."""
    feed = made.feed
    return lambda event: list(feed(event))


def near(text: str) -> tuple[Callable[[], Callable[[Event], object]], str, int]:
    """Return a cap, the text up to it, and the start of its last tokens."""
    tokenizer = tokenizers.load("o200k_base")
    most = 500
    end = tokenizer.cut(text, most)
    return lambda: eager(policy("token_cap", max_tokens=most)), text[:end], tokenizer.cut(text, most - NEAR)


def run() -> None:
    """Print the figures."""
    tokenizers.load("o200k_base")
    texts = {"English": english(), "code": code(), "Chinese": CHINESE * 40}
    rows = [{"id": n, "text": text} for n, text in enumerate(texts["English"][:60_000].split("\n"))]
    document = json.dumps({"rows": rows})
    wanted = {"response_format": {"type": "json_schema", "json_schema": {"schema": _SCHEMA}}}
    print(f"token_cap, in the first 4,000 characters{measured(_far, texts['English'][:4_000]):7.2f} us/chunk")
    for name, text in texts.items():
        print(f"token_cap, far from the cap, {name:10}{measured(_far, text):8.2f}")
        print(f"token_cap, near the cap, {name:14}{measured(*near(text)):8.2f}")
    print(f"cost_cap{'':31}{measured(lambda: eager(policy('cost_cap', max_usd=1000)), texts['English']):8.2f}")
    print(f"json_guard, any JSON{'':19}{measured(lambda: eager(policy('json_guard')), document):8.2f}")
    print(f"json_guard, a schema{'':19}{measured(lambda: eager(policy('json_guard', wanted)), document):8.2f}")
    print(f"json_guard, held for retry{'':13}{measured(_held(wanted), document):8.2f}")
    print(f"ledger{'':33}{measured(lambda: Ledger().saw, texts['English']):8.2f}")
    print(f"ledger, Chinese{'':24}{measured(lambda: Ledger().saw, texts['Chinese']):8.2f}")


def _far() -> Callable[[Event], object]:
    return eager(policy("token_cap", max_tokens=1_000_000))


def _held(wanted: dict[str, Any]) -> Callable[[], Callable[[Event], object]]:
    return lambda: eager(policy("json_guard", wanted, on_invalid="retry"))
