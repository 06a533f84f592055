"""The words of an error, wherever a provider puts them, and no others."""

import json
from typing import Any

import pytest

from proxy.formats.error_words import MAX_ITEMS, words

INNER = json.dumps({"error": {"message": "it broke", "code": 400}})

SAID: dict[str, tuple[dict[str, Any], str]] = {
    "message": ({"message": "it broke", "code": 7}, "it broke"),
    "an object": ({"message": {"detail": [{"msg": "it broke"}]}}, "it broke"),
    "FastAPI": ({"detail": [{"loc": ["body", "seed"], "msg": "it broke"}]}, "body.seed: it broke"),
    "texts in a list": ({"errors": ["it broke", "badly"]}, "it broke; badly"),
    "AWS": ({"Message": "it broke", "__type": "ValidationException"}, "it broke"),
    "Baidu": ({"error_msg": "it broke", "error_code": 1}, "it broke"),
    "JSON in the message": ({"message": INNER}, "it broke"),
    "what only looks like JSON": ({"message": "{it broke"}, "{it broke"),
    "JSON that says nothing": ({"message": '{"a": 1}'}, '{"a": 1}'),
    "OpenRouter": ({"message": "Provider returned error", "metadata": {"raw": INNER}}, "it broke"),
    "OpenRouter, plain": ({"message": "Provider returned error", "metadata": {"raw": "it broke"}}, "it broke"),
    "OpenRouter, with words of its own": ({"message": "Slow down", "metadata": {"raw": "the answer"}}, "Slow down"),
    "Groq": ({"message": "it broke", "failed_generation": "the answer"}, "it broke"),
    "nothing": ({"code": 7, "message": "", "error": None, "detail": []}, ""),
    "other members": ({"text": "the answer", "prompt": "the prompt"}, ""),
}


@pytest.mark.parametrize(("error", "said"), SAID.values(), ids=SAID.keys())
def test_only_the_words_that_say_what_is_wrong_are_read(error: dict[str, Any], said: str) -> None:
    assert words(error) == said


def test_the_work_is_bounded() -> None:
    deep: dict[str, Any] = {"message": "it broke"}
    for _ in range(100):
        deep = {"error": deep}
    assert words(deep) == ""
    assert words({"errors": ["x"] * 1000}).count("x") == MAX_ITEMS
    nested = "it broke"
    for _ in range(10):
        nested = json.dumps({"message": nested})
    assert words({"message": nested}).startswith("{")
