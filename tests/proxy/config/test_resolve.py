"""From the name that a client asks for to a target."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.models import Config, Model, Provider
from proxy.config.resolve import close_names, resolve

CONFIG = Config(
    providers={
        "openai": Provider(),
        "gemini": Provider(),
        "local": Provider(api="openai", base_url="http://h/v1"),
        "az": Provider(api="litellm"),
    },
    models={
        "gpt-4o": Model(target="openai/gpt-4o-2024-11-20"),
        "*-latest": Model(target="openai/*"),
        "gemini-*": Model(target="gemini/gemini-*"),
        "gemini-2.5-*": Model(target="gemini/new-*-x"),
        "gemini-2.5-pro": Model(target="gemini/exact"),
        "local/*": Model(target="local/*"),
        "az/*": Model(target="az/azure/*"),
        "any-*": Model(target="gemini/fixed"),
        "raw*": Model(target="gemini/*"),
    },
)


@pytest.mark.parametrize(
    ("name", "pattern", "model"),
    [
        ("gpt-4o", "gpt-4o", "gpt-4o-2024-11-20"),
        ("gemini-1.5-pro", "gemini-*", "gemini-1.5-pro"),
        ("gemini-2.5-flash", "gemini-2.5-*", "new-flash-x"),
        ("gemini-2.5-pro", "gemini-2.5-pro", "exact"),
        ("gpt-latest", "*-latest", "gpt"),
        ("gemini-latest", "gemini-*", "gemini-latest"),  # as many literal characters: the longer beginning wins
        ("local/meta/Llama:8b@1", "local/*", "meta/Llama:8b@1"),
        ("az/my-deployment", "az/*", "azure/my-deployment"),
        ("any-thing", "any-*", "fixed"),
    ],
)
def test_the_exact_name_wins_then_the_most_literal_pattern(name: str, pattern: str, model: str) -> None:
    found = resolve(CONFIG, name)
    assert found is not None
    (place,) = found.places
    assert (found.alias, found.pattern, place.model) == (name, pattern, model)
    assert found.settings is place.settings is CONFIG.models[pattern]
    assert place.provider is CONFIG.providers[place.provider_name]


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4",
        "GPT-4o",
        "gemini-",
        "gemini-*",
        "*",
        "",
        "gemini-a/b",
        "gemini-a?b",
        "gemini-a b",
        "gemini-é",
        "gemini-a%2fb",
        "gemini-a\nb",
        "gemini-a\n",
        "gemini-2.5-a/b",
        "local/a/../b",
        "local/..",
        "local//a",
        "local/a/",
        "raw..",
        "raw.",
        "gemini-" + "x" * 300,
    ],
)
def test_a_name_that_no_entry_takes_stands_for_nothing(name: str) -> None:
    assert resolve(CONFIG, name) is None


@pytest.mark.parametrize(("provider", "api"), [("openai/x", "openai"), ("gemini/x", "gemini"), ("az/x", "litellm")])
def test_the_wire_format_is_told(provider: str, api: str) -> None:
    config = CONFIG.model_copy(update={"models": {"m": Model(target=provider)}})
    found = resolve(config, "m")
    assert found is not None and [place.api for place in found.places] == [api]


@given(st.text(max_size=40).map(lambda taken: f"raw{taken}"))
def test_whatever_is_asked_for_a_provider_gets_one_path_segment(name: str) -> None:
    found = resolve(CONFIG, name)
    for place in found.places if found else ():
        assert place.model not in ("", ".", "..") and not set(place.model) & set("/?#%\\ \n*")


def test_close_names_are_those_that_are_allowed() -> None:
    assert close_names(CONFIG, "gtp-4o", lambda name: True) == ["gpt-4o"]
    assert close_names(CONFIG, "gtp-4o", lambda name: name != "gpt-4o") == []
    assert "gemini-2.5-pro" in close_names(CONFIG, "gemini-2.5-por", lambda name: True)
