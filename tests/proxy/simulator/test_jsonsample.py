"""Samples fit their schemas, even unusual ones, and are always finite."""

from typing import Any

import pytest

from proxy.simulator.jsonsample import sample

LOOP = {"$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}}, "$ref": "#/$defs/node"}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, {"answer": "One. Two."}),
        ({"type": "string"}, "One."),
        ({"type": "STRING"}, "One."),
        ({"type": ["string", "null"]}, "One."),
        ({"type": "integer", "minimum": 7}, 7),
        ({"type": "number"}, 4.2),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"const": 3}, 3),
        ({"enum": ["b", "a"]}, "b"),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        ({"type": "array", "items": {"type": "string"}, "minItems": 3}, ["One.", "Two.", "One."]),
        ({"properties": {"a": {"type": "integer"}, "b": {"type": "object"}}}, {"a": 42, "b": {}}),
        (
            {"$defs": {"n": {"type": "boolean"}}, "type": "object", "properties": {"x": {"$ref": "#/$defs/n"}}},
            {"x": True},
        ),
    ],
)
def test_a_sample_fits_its_schema(schema: dict[str, Any], value: Any) -> None:
    assert sample(schema, "One. Two.") == value


def test_a_schema_that_holds_itself_has_a_finite_sample() -> None:
    assert "next" in sample(LOOP, "One.")


def test_a_reference_to_itself_ends() -> None:
    assert sample({"$ref": "#"}, "One.") is None
