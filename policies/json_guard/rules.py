"""The rules of each schema for a whole value: its keywords with prepared arguments, by the schema's number."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from policies.json_guard.applicators import APPLICATORS, Applicator
from policies.json_guard.assertions import ASSERTIONS, NEVER, Assertion, among
from policies.json_guard.equality import Identities
from policies.json_guard.pace import Pace, driven
from policies.json_guard.pattern import Pattern, Unsupported
from policies.json_guard.survey import MAX_LITERALS, Child, SchemaError, Survey
from policies.json_guard.survey import NEVER as NOTHING
from policies.steps import Steps

MAX_STATES: Final = 20_000
"""Maximum number of states of all patterns of a schema."""

_LAST = ("unevaluatedItems", "unevaluatedProperties")
"""Keywords that apply to the parts that no other keyword has evaluated."""


@dataclass(frozen=True, slots=True)
class Rules:
    """One schema's rules. `unevaluated` means that it has a keyword for the parts that the others leave."""

    assertions: tuple[tuple[str, Assertion, Any], ...]
    applicators: tuple[tuple[Applicator, Any], ...] = ()
    unevaluated: bool = False


def rules(survey: Survey, identities: Identities, pace: Pace) -> Steps[tuple[Rules, ...]]:
    """Make the rules of each schema. Raises `SchemaError`."""
    patterns = yield from _patterns(survey, pace)
    found: list[Rules] = []
    for number, schema in enumerate(survey.schemas):
        pace.place = survey.places[number]
        pace.spend(10)
        if schema is NOTHING:
            found.append(Rules((NEVER,)))
        else:
            found.append((yield from _made(survey, number, patterns, identities, pace)))
        if pace.due():
            yield
    return tuple(found)


def _patterns(survey: Survey, pace: Pace) -> Steps[dict[str, Pattern]]:
    found: dict[str, Pattern] = {}
    states = 0
    for text, pace.place in survey.patterns.items():
        pattern = found[text] = Pattern(text)
        try:
            for _ in pattern.steps(pace.spend):
                if pace.due():
                    yield
        except Unsupported as error:
            written = repr(text if len(text) <= 80 else f"{text[:80]}…")
            raise SchemaError(f"the pattern {written} {error}: write it another way, or leave it out") from None
        states += pattern.size
        if states > MAX_STATES:
            raise SchemaError(f"its patterns have more than {MAX_STATES} states: leave some of them out")
    return found


def _made(
    survey: Survey, number: int, patterns: Mapping[str, Pattern], identities: Identities, pace: Pace
) -> Steps[Rules]:
    schema = survey.schemas[number]
    assertions: list[tuple[str, Assertion, Any]] = []
    applicators: list[tuple[Applicator, Any]] = []
    for keyword in sorted(schema, key=_LAST.__contains__):
        argument = schema[keyword]
        if keyword in ASSERTIONS:
            prepare, check = ASSERTIONS[keyword]
            assertions.append((keyword, check, prepare(argument)))
        elif keyword in ("enum", "const"):
            values = argument if keyword == "enum" else [argument]
            simple = among(values)
            if simple is not None:
                assertions.append((keyword, *simple))
            else:
                numbers = yield from _numbers(values, identities, pace)
                applicators.append((APPLICATORS[keyword], numbers))
        elif keyword in APPLICATORS:
            applicators.append((APPLICATORS[keyword], _argument(survey, number, patterns, keyword)))
    return Rules(tuple(assertions), tuple(applicators), any(keyword in schema for keyword in _LAST))


def _numbers(values: list[Any], identities: Identities, pace: Pace) -> Steps[frozenset[int]]:
    def spend(steps: int) -> None:
        if len(identities) > MAX_LITERALS:
            raise SchemaError(f"its enums hold more than {MAX_LITERALS} values: send a smaller one")
        pace.spend(steps)

    found: set[int] = set()
    for value in values:
        number = identities.of(value, spend)
        found.add(number if isinstance(number, int) else (yield from driven(number, pace)))
    return frozenset(found)


def _argument(survey: Survey, number: int, patterns: Mapping[str, Pattern], keyword: str) -> Any:
    """Prepare the argument of one of a schema's applicators."""
    schema, child = survey.schemas[number], survey.child
    match keyword:
        case "$ref":
            return survey.targets[number]
        case "if":
            return child(schema["if"]), child(schema.get("then", True)), child(schema.get("else", True))
        case "items":
            return len(schema.get("prefixItems", ())), child(schema["items"])
        case "contains":
            return child(schema["contains"]), schema.get("minContains", 1), schema.get("maxContains", math.inf)
        case "additionalProperties":
            matched = [patterns[text] for text in schema.get("patternProperties", ())]
            return frozenset(schema.get("properties", ())), matched, child(schema["additionalProperties"])
        case "patternProperties":
            return [(patterns[text], child(each)) for text, each in schema["patternProperties"].items()]
        case "pattern":
            return patterns[schema["pattern"]]
    return _plain(schema[keyword], keyword, child)


def _plain(argument: Any, keyword: str, child: Callable[[Any], Child]) -> Any:
    match keyword:
        case "uniqueItems":
            return argument
        case "dependentRequired":
            return {name: frozenset(needed) for name, needed in argument.items()}
        case "properties" | "dependentSchemas":
            return {name: child(each) for name, each in argument.items()}
    return tuple(map(child, argument)) if isinstance(argument, list) else child(argument)
