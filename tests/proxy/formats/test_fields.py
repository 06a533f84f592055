"""Values read from JSON of unknown types have the requested type or are missing."""

from typing import Any

import pytest

from proxy.formats.fields import count, error_message, items, label, obj, string


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "x", [1], {"a": 1}])
def test_a_member_of_another_type_counts_as_absent(value: Any) -> None:
    assert obj(value) == (value if value == {"a": 1} else {})
    assert items(value) == (value if value == [1] else [])
    assert string(value) == (value if value == "x" else "")


@pytest.mark.parametrize("value", [-1, True, 10**12 + 1, 10**400, 7.5, "x", "-7", "7" * 13, None])
def test_what_is_no_count_of_tokens_is_0(value: Any) -> None:
    assert count(value) == 0
    assert count(7) == count(7.0) == count("7") == 7


@pytest.mark.parametrize("value", ["two words", "", "x" * 129, "line\n", "é"])
def test_a_guarded_label_has_the_form_of_one(value: str) -> None:
    assert (label(value, guarded=True), label(value, guarded=False)) == (None, value)
    assert label("models/gemini-2.5:a_b@1", guarded=True) == "models/gemini-2.5:a_b@1"
    assert label(7, guarded=False) is None


def test_an_error_always_has_a_message() -> None:
    assert error_message("No.") == "No."
    assert error_message(None) and error_message("")
