"""The policy's configuration, and its requirements from a request."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from policies.base import Context
from policies.json_guard.grammar import OBJECT
from policies.json_guard.settings import Ask, JsonGuardConfig, asked, refusal
from policies.json_guard.survey import SchemaError
from policies.steps import finished


def ask_of(body: dict[str, Any], context: Context | None = None, whole: bool = False) -> Ask:
    return finished(asked(body, context or Context("m", lambda: 0.0), whole=whole))


def test_the_defaults() -> None:
    config = JsonGuardConfig()
    assert (config.on_invalid, config.attempts, config.when, config.strip_fence) == ("stop", 2, "json_requests", False)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"on_invalid": "fix"}, "'stop', 'retry' or 'flag'"),
        ({"on_invalid": "retry", "attempts": 0}, "greater than or equal to 1"),
        ({"on_invalid": "retry", "attempts": -1}, "greater than or equal to 1"),
        ({"on_invalid": "retry", "attempts": 11}, "less than or equal to 10"),
        ({"on_invalid": "retry", "attempts": True}, "not true or false"),
        ({"attempts": 3}, "set that, or leave attempts out"),
        ({"on_invalid": "flag", "attempts": 2}, "set that, or leave attempts out"),
        ({"when": "never"}, "'json_requests' or 'always'"),
        ({"strip_fence": "perhaps"}, "valid boolean"),
        ({"strict": True}, "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_configuration_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        JsonGuardConfig(**values)


@pytest.mark.parametrize(
    ("when", "json_answer", "applies"),
    [("always", False, True), ("always", True, True), ("json_requests", True, True), ("json_requests", False, False)],
)
def test_when_it_applies(when: Any, json_answer: bool, applies: bool) -> None:
    assert JsonGuardConfig(when=when).applies(Context("m", lambda: 0.0, json_answer)) is applies


def test_the_schema_and_the_tools_are_read_from_the_request() -> None:
    schema = {"type": "object"}
    ask = ask_of(
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}, "tools": [{}]}
    )
    assert ask.schema is not None and ask.schema.nodes[0].kinds == OBJECT and ask.tools


@pytest.mark.parametrize(
    "response_format",
    [None, {"type": "json_object"}, {"type": "text"}, {"type": "json_schema", "json_schema": {"name": "x"}}],
)
def test_without_a_schema_any_json_will_do(response_format: Any) -> None:
    ask = ask_of({"response_format": response_format, "tools": []})
    assert ask.schema is None and not ask.tools


def test_a_schema_is_made_ready_once_for_all_attempts_of_a_request() -> None:
    body = {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}}
    first = Context("m", lambda: 0.0)
    schema = ask_of(body, first).schema
    left = first.work.left
    assert ask_of(body, replace(first, spent=1.0)).schema is schema and first.work.left == left
    assert ask_of(body, first, whole=True).schema is not schema and first.work.left < left
    assert ask_of(body).schema is not schema


def test_a_refusal_says_what_to_do() -> None:
    found = refusal(SchemaError("items/$ref refers to nothing: define it under $defs"))
    assert found.status == 400 and found.code == "invalid_json_schema"
    assert "items/$ref refers to nothing: define it under $defs." in found.message


def test_values_may_come_from_the_environment_as_text() -> None:
    config = JsonGuardConfig.model_validate({"on_invalid": "retry", "attempts": "3", "strip_fence": "true"})
    assert (config.attempts, config.strip_fence) == (3, True)
