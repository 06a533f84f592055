"""A JSON schema, made ready to be held against answers.

`survey` finds what is in it, `nodes` is what a stream decides of it, `rules` what is asked of a whole answer. What only
the making needs is dropped: a stream may last for an hour.
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
    """A schema that can be used. `root` is the whole, by number. `identities` are those of the values in it."""

    root: Child
    nodes: tuple[Node, ...]
    rules: tuple[Rules, ...] = ()
    identities: Identities = field(default_factory=Identities)


def compiled(source: Any, pace: Pace, *, whole: bool) -> Steps[Schema]:
    """The schema, ready for use; `whole`: against whole answers too. Raises `SchemaError` and `OverBudget`."""
    survey = Survey(source, pace)
    yield from survey.steps()
    followed = yield from nodes(survey, pace)
    if not whole:
        return Schema(survey.root, followed)
    identities = Identities()
    asked = yield from rules(survey, identities, pace)
    return Schema(survey.root, followed, asked, identities)
