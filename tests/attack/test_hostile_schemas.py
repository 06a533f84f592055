"""Work on any schema, pattern and answer is paid for in steps of a budget.

A step is a limited number of instructions, and so is the work between two pauses. `SLUICE_EXPANSION` sets the expansion
of the examples, and `SLUICE_RUNS` their number. `make attack` uses large values.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.base import Context, Refuse, Request
from policies.chain import Chain, Rejected
from policies.events import End, Finish, Text
from policies.json_guard import JSON_GUARD, JsonGuardConfig
from policies.json_guard.match import EARNED
from policies.json_guard.survey import MAX_SCHEMAS
from policies.json_guard.whole import BASE_STEPS, STEPS_EACH, STEPS_FOR_SCHEMA
from policies.work import OverBudget, Work
from tests.attack.hostile_schemas import answers, patterns, schemas
from tests.instructions import Instructions

SIZE = int(os.environ.get("SLUICE_EXPANSION", "500"))
EXAMPLES = int(os.environ.get("SLUICE_RUNS", "40"))

PER_STEP = 80
"""Instructions that a step of a budget may be."""

PER_CHARACTER = 300
"""Maximum additional instructions for each character of an answer."""

PIECE = 1_200_000
"""Maximum instructions between two pauses: about 20 ms."""

BURST = 10_000
"""Maximum steps for following an answer on the stream, besides those that its characters earn."""

bounded = settings(max_examples=EXAMPLES, deadline=None)
pytestmark = [
    pytest.mark.skipif(sys.gettrace() is not None, reason="it counts instructions by tracing"),
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),
]


class Measured:
    """Total instructions, and those of the longest piece."""

    def __init__(self) -> None:
        self.total = self.longest = 0

    def take(self, steps: Iterator[Any]) -> Any:
        while True:
            with Instructions("policies") as run:
                try:
                    next(steps)
                    result, over = None, False
                except StopIteration as end:
                    result, over = end.value, True
            self.total += run.count
            self.longest = max(self.longest, run.count)
            if over:
                return result


class Client:
    """One request with a schema, and the guard's verdict on its answer. `spent` are the request's steps."""

    def __init__(self, schema: Any, on_invalid: str) -> None:
        body = {
            "model": "m",
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        }
        self.size = len(json.dumps(body))
        self.measured = Measured()
        self._body = body
        self._work = Work.of_body(self.size)
        context = Context("m", lambda: 0.0, json_answer=True, work=self._work)
        self._chain = Chain([JSON_GUARD.build("json_guard/x", JsonGuardConfig(on_invalid=on_invalid), context)])

    def ask(self) -> bool:
        """Give the guard the request. Return true if it accepts it."""
        before = self._work.left
        try:
            seen = self.measured.take(self._chain.request(Request(self._body)))
        except OverBudget as over:
            assert over.place.startswith("response_format.json_schema.schema") and len(over.place) < 200
            seen = None
        else:
            if isinstance(seen, Refuse):
                assert seen.status == 400 and len(seen.message) < 600
        self.spent = before - self._work.left
        return isinstance(seen, Request)

    def hear(self, answer: str) -> str:
        """Give the guard an answer. Return its verdict."""
        try:
            for start in range(0, len(answer), 512):
                self.measured.take(self._chain.slices(Text(0, "content", answer[start : start + 512])))
            return self._finish()
        except Rejected as rejected:
            assert len(rejected.reject.message) < 300
            return rejected.reject.message

    def _finish(self) -> str:
        self.measured.take(self._chain.slices(Finish(0, "stop")))
        self.measured.take(self._chain.slices(End("natural")))
        return ""


def as_sent(schema: Any) -> Any:
    """Return the schema as if parsed: no part of it is in two places."""
    return json.loads(json.dumps(schema))


@given(schemas(SIZE), answers(SIZE), st.sampled_from(["stop", "retry", "flag"]))
@bounded
def test_what_a_schema_makes_the_guard_do_is_paid_for(schema: Any, answer: str, on_invalid: str) -> None:
    client = Client(as_sent(schema), on_invalid)
    taken = client.ask()
    assert client.spent <= Work.of_body(client.size).left
    assert client.measured.total <= PER_STEP * (client.spent + 100)
    if taken:
        before = client.measured.total
        client.hear(answer)
        budget = (EARNED + STEPS_EACH) * len(answer) + BURST + BASE_STEPS + STEPS_FOR_SCHEMA * MAX_SCHEMAS
        assert client.measured.total - before <= PER_STEP * budget + PER_CHARACTER * len(answer)
    assert client.measured.longest <= PIECE


@given(patterns(SIZE), answers(SIZE))
@bounded
def test_what_a_pattern_makes_the_guard_do_is_paid_for(pattern: str, answer: str) -> None:
    schema = {"type": "array", "items": {"pattern": pattern}, "patternProperties": {pattern: False}}
    client = Client(schema, "retry")
    taken = client.ask()
    assert client.measured.total <= PER_STEP * (client.spent + 100)
    if taken:
        before = client.measured.total
        client.hear(json.dumps([answer, "a" * min(SIZE, 5000)]))
        budget = (EARNED + STEPS_EACH) * (2 * len(answer) + 5000) + BURST + BASE_STEPS + 10 * STEPS_FOR_SCHEMA
        assert client.measured.total - before <= PER_STEP * budget + PER_CHARACTER * (2 * len(answer) + 5000)
    assert client.measured.longest <= PIECE


@pytest.mark.parametrize("size", [200, 400])
def test_twice_the_schema_is_twice_the_work_at_most(size: int) -> None:
    def cost(size: int) -> int:
        names = [f"n{at}" for at in range(size)]
        schema = {
            "properties": {name: {"enum": names[:10]} for name in names},
            "required": names,
            "anyOf": [{"required": [name]} for name in names],
            "allOf": [{"$ref": "#/anyOf/0"} for _ in names],
        }
        client = Client(as_sent(schema), "retry")
        assert client.ask()
        return client.measured.total

    assert cost(2 * size) <= 2.3 * cost(size)
