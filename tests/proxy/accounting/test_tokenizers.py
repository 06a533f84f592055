"""The choice of a model's tokenizer, and the results of a counter."""

import pytest

from proxy.accounting.tokenizers import basis, load


@pytest.mark.parametrize(
    "model",
    [
        *("gpt-4o", "gpt-4o-mini-2024-07-18", "gpt-4.1-nano", "gpt-4.5-preview", "gpt-5", "gpt-5.1-codex", "o1"),
        *("o3-mini", "o4-mini-2025-04-16", "chatgpt-4o-latest", "gpt-oss-120b", "ft:gpt-4o-mini-2024-07-18:a::b"),
        "openai/gpt-4o",
    ],
)
def test_models_with_o200k(model: str) -> None:
    assert basis(model) == "o200k_base"


@pytest.mark.parametrize(
    "model",
    [
        *("gpt-4", "gpt-4-turbo", "gpt-4-0613", "gpt-3.5-turbo", "claude-sonnet-4-5", "gemini-2.5-pro", "llama3"),
        *("o1x", "olmo-2", "my-gpt-4o"),
    ],
)
def test_models_with_cl100k(model: str) -> None:
    assert basis(model) == "cl100k_base"


@pytest.mark.parametrize("name", ["o200k_base", "cl100k_base"])
def test_the_names_of_special_tokens_are_text(name: str) -> None:
    assert load(name).count("<|endoftext|>") > 1  # type: ignore[arg-type]


def test_a_cut_is_a_whole_character() -> None:
    tokenizer = load("cl100k_base")
    assert tokenizer.count("👨") == 3
    assert [tokenizer.cut("👨x", tokens) for tokens in range(5)] == [0, 0, 0, 1, 2]


def test_half_a_surrogate_pair_counts() -> None:
    tokenizer = load("cl100k_base")
    text = "a\ud83d b"
    assert tokenizer.cut(text, 100) == len(text)
    assert tokenizer.count(text) == tokenizer.count("a\ufffd b")
