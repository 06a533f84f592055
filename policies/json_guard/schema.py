"""A JSON schema, prepared for checks of answers.

`survey` finds its subschemas. `nodes` are what a stream can decide, and `rules` what is checked for a whole answer.
Data that only the preparation needs is dropped, because a stream may last for an hour.
"""

from dataclasses import dataclass, field
from typing import Any

from policies.json_guard.equality import Identities
from policies.json_guard.nodes import Node, nodes
from policies.json_guard.pace import Pace
from policies.json_guard.rules import Rules, rules
from policies.json_guard.survey import Child, Survey
from policies.steps import Steps


@dataclass(frozen=True, slots=True)
class Schema:
    """A prepared schema. `root` is the number of the whole schema. `identities` are those of the values in it."""

    root: Child
    nodes: tuple[Node, ...]
    rules: tuple[Rules, ...] = ()
    identities: Identities = field(default_factory=Identities)


def compiled(source: Any, pace: Pace, *, whole: bool) -> Steps[Schema]:
    """Prepare the schema. `whole` prepares it for whole answers too. Raises `SchemaError` and `OverBudget`."""
    survey = Survey(source, pace)
    yield from survey.steps()
    followed = yield from nodes(survey, pace)
    if not whole:
        return Schema(survey.root, followed)
    identities = Identities()
    asked = yield from rules(survey, identities, pace)
    return Schema(survey.root, followed, asked, identities)
