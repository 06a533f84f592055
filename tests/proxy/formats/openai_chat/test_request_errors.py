"""Refusals in OpenAI's words."""

import pytest

from proxy.formats.openai_chat.request_errors import missing, shown, wrong_type, wrong_value


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        (True, "a boolean"),
        (1, "an integer"),
        (1.5, "a decimal"),
        ("", "a string"),
        ([], "an array"),
        ({}, "an object"),
    ],
)
def test_a_wrong_type_is_told_in_json_terms(value: object, kind: str) -> None:
    error = wrong_type("n", "an integer or so", value)
    assert error.message == f"Invalid type for 'n': expected an integer or so, but got {kind} instead."
    assert (error.status, error.type, error.param, error.code) == (400, "invalid_request_error", "n", "invalid_type")


def test_the_others_name_the_field() -> None:
    assert missing("a.b").message == "Missing required parameter: 'a.b'."
    assert (wrong_value("n", "too low.", "c").message, wrong_value("n", "x").code) == (
        "Invalid 'n': too low.",
        "invalid_value",
    )


def test_a_clients_text_is_cut_and_escaped() -> None:
    assert shown("a\nb") == "'a\\nb'"
    assert len(shown("x" * 10_000)) < 70
