"""A JSON schema, made ready to be held against answers: `survey` finds what is in it, `nodes` what a stream decides."""

from dataclasses import dataclass
from typing import Any

from policies.json_guard.nodes import Node, nodes
from policies.json_guard.pace import Pace
from policies.json_guard.survey import Survey
from policies.steps import Steps


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema that can be used."""

    survey: Survey
    nodes: tuple[Node, ...]


def compiled(source: Any, pace: Pace) -> Steps[Schema]:
    """The schema, ready for use. Raises `SchemaError` and `OverBudget`."""
    survey = Survey(source, pace)
    yield from survey.steps()
    return Schema(survey, (yield from nodes(survey, pace)))
