"""Names that people type."""

import pytest

from proxy.config.names import close_to, did_you_mean, model_name_fault


@pytest.mark.parametrize(
    "name", ["gpt-4o-mini", "meta-llama/Llama-3.1-8B", "ollama:7b@latest", "模型", "a..b", "gemini-*"]
)
def test_usual_names_are_fine(name: str) -> None:
    assert model_name_fault(name) is None


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "is empty"),
        ("x" * 257, "longer than 256"),
        ("a b", "holds a space"),
        ("a\tb", "unprintable"),
        ("a\x00", "unprintable"),
        ("a\u200b", "unprintable"),
        ("a\u2028b", "unprintable"),
        ("a\ud800", "unprintable"),
        ("a?b", "one of ? # %"),
        ("a#b", "one of ? # %"),
        ("a%2e", "one of ? # %"),
        ("a\\b", "one of ? # %"),
        ("../admin", "path segment"),
        ("a/../b", "path segment"),
        ("a/./b", "path segment"),
        ("a//b", "path segment"),
        ("/a", "path segment"),
        ("a/", "path segment"),
        ("..", "path segment"),
    ],
)
def test_a_name_that_could_change_a_path_is_refused(name: str, fault: str) -> None:
    assert fault in (model_name_fault(name) or "")


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("opnai", ["openai", "gemini"], ["openai"]),
        ("GPT-4O-MINI", ["gpt-4o-mini", "claude"], ["gpt-4o-mini"]),
        ("zzz", ["openai"], []),
        ("a" * 100_000, ["openai", "b" * 100_000], []),
    ],
)
def test_close_names_are_found_whatever_their_case(word: str, known: list[str], expected: list[str]) -> None:
    assert close_to(word, known) == expected


def test_only_so_many_names_are_compared() -> None:
    assert close_to("target", [*(f"x{index}" for index in range(1000)), "target"]) == []


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("opnai", ["openai"], "; did you mean 'openai'?"),
        ("zzz", ["a", "b"], "; known: 'a', 'b'"),
        ("zzz", [], ": none is known yet"),
        ("zzz", [f"k{n}" for n in range(13)], "'k11', …"),
    ],
)
def test_a_message_proposes_a_name_or_lists_them(word: str, known: list[str], expected: str) -> None:
    assert did_you_mean(word, known).endswith(expected)
