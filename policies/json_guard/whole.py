"""Check a whole answer against the whole schema (JSON Schema 2020-12), in steps and within a budget.

The client writes the schema and, through the prompt, the answer. Patterns are therefore searched in linear time.
`enum`, `const` and `uniqueItems` look at each value once. Each schema applied to a value costs at least one step. An
answer that would exceed its budget is rejected. The budget grows with the schema and with the answer. Messages name the
place in the schema, never the answer's text.

`survey` numbers the schemas and `rules` prepares their keywords. `assertions` are the keywords that look at a value
alone. `applicators` lead to further schemas or look at the whole value, and run as tasks (see `pace`). So neither a
long chain of references nor a deep answer exhausts a stack, and the work can pause anywhere. The `jsonschema` library
can do neither, and writes the whole value into each of its errors. It is the tests' oracle.
"""

import json
import math
import re
from typing import Any, Final

from policies.json_guard.applicators import Fault, Marks
from policies.json_guard.pace import Pace, Task, TooDeep, driven
from policies.json_guard.pattern import Spend
from policies.json_guard.rules import Rules
from policies.json_guard.schema import Schema
from policies.json_guard.survey import Child, shown
from policies.steps import Steps
from policies.work import OverBudget, Work

STEPS_EACH: Final = 20
STEPS_FOR_SCHEMA: Final = 20
BASE_STEPS: Final = 10_000
MAX_STEPS: Final = 4_000_000
"""Maximum budget of an attempt, about two seconds of work.

The budget has a share for each character of its answers and for each subschema, and ten thousand more steps.
"""

_LARGE = re.compile(r"[0-9](?:(?<![0-9]{2})[0-9]{99}|[eE]\+?0*(?:[2-9][0-9]{2}|[1-9][0-9]{3}))")
"""A number that may be too large for a float. All others are below ten to the 300."""


class Whole:
    """The check of all answers of one attempt: a prepared schema, or None for any JSON."""

    def __init__(self, schema: Schema | None) -> None:
        self._schema = schema
        self._work = Work(BASE_STEPS + STEPS_FOR_SCHEMA * (0 if schema is None else len(schema.rules)))
        self._more = MAX_STEPS

    def fault(self, text: str) -> Steps[str | None]:
        """Find the fault of an answer, or None if it fits."""
        try:
            document = _parsed(text)
        except (ValueError, RecursionError):
            return "the answer is not JSON"
        if self._schema is None:
            return None
        granted = min(STEPS_EACH * len(text), self._more)
        self._more -= granted
        self._work.left += granted
        run = _Run(self._schema, Pace(self._work))
        try:
            fault = yield from run.steps(self._schema.root, document)
        except OverBudget:
            return "the answer takes too long to check against the schema"
        except TooDeep:
            return "the schema and the answer nest too deep to check"
        finally:
            self._schema.identities.forget()
        return None if fault is None else f"the answer breaks the schema at {_place(fault)}"


class _Run:
    """The check of one answer. It implements `applicators.Run`."""

    def __init__(self, schema: Schema, pace: Pace) -> None:
        self._table = schema.rules
        self._pace = pace
        self.identities = schema.identities
        self.spend: Spend = pace.spend

    def steps(self, root: Child, document: Any) -> Steps[Fault | None]:
        fault = self.judge(root, document, None)
        return fault if fault is None or type(fault) is tuple else (yield from driven(fault, self._pace))

    def judge(self, number: Child, value: Any, marks: Marks | None) -> Any:
        if number is None:
            return None
        found = self._table[number]
        self.spend(1 + len(found.assertions) + (len(value) >> 3 if type(value) is dict else 0))
        for keyword, holds, argument in found.assertions:
            if not holds(argument, value):
                return (keyword, ()) if keyword else ()
        return self._apply(found, value, marks) if found.applicators else None

    def _apply(self, found: Rules, value: Any, marks: Marks | None) -> Task:
        own = Marks() if found.unevaluated else marks
        for apply, argument in found.applicators:
            fault = yield from apply(self, argument, value, own)
            if fault is not None:
                return fault
        if marks is not None and own is not None and own is not marks:
            marks.add(own, self.spend)
        return None


def _parsed(text: str) -> Any:
    """Parse the JSON value. Raises `ValueError`, also for a number that is too large."""
    if _LARGE.search(text) is None:
        return json.loads(text, parse_constant=_real)
    return json.loads(text, parse_int=_integer, parse_float=_real, parse_constant=_real)


def _integer(text: str) -> float | int:
    return int(text) if len(text) < 300 else _real(text)


def _real(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("no JSON number, or too large for one")
    return number


def _place(fault: Fault) -> str:
    steps: list[str | int] = []
    while fault:
        step, fault = fault
        steps.append(step)
    return shown(steps) or "its root"
