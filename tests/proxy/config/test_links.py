"""The models that fallbacks lead to."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.links import Links

NAMES = ["a", "b", "c", "d", "x-*", "x-1"]
MODELS = st.dictionaries(
    st.sampled_from(NAMES), st.lists(st.sampled_from([*NAMES, "x-2", "none", 5]), max_size=3), max_size=6
)


def behind(links: Links, models: Mapping[str, Any], name: str) -> set[str]:
    """All that a model's fallbacks lead to, step by step."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for fallback in models[waiting.pop()]["fallbacks"]:
            entry = links.entry(fallback) if isinstance(fallback, str) else None
            if entry is not None and entry not in found:
                found.add(entry)
                waiting.append(entry)
    return found


@settings(derandomize=True, deadline=None, max_examples=200)
@given(MODELS)
def test_rings_and_ways_are_those_that_one_finds_step_by_step(given: dict[str, list[Any]]) -> None:
    models = {name: {"target": "p/m", "fallbacks": fallbacks} for name, fallbacks in given.items()}
    links = Links(models)
    for name in models:
        expected = behind(links, models, name)
        assert set(links.reached(name, set())) == {name, *expected}
        for entry in {links.entry(fallback) for fallback in given[name] if isinstance(fallback, str)} - {None}:
            assert entry is not None
            assert links.leads_back(name, entry) is (entry == name or name in behind(links, models, entry))


def test_a_name_is_taken_by_the_exact_model_else_by_the_closest_wildcard() -> None:
    links = Links({name: {} for name in ("gpt-*", "gpt-4*", "*", "gpt-4o")})
    assert [links.entry(name) for name in ("gpt-4o", "gpt-4x", "gpt-3", "claude", "a*")] == [
        "gpt-4o",
        "gpt-4*",
        "gpt-*",
        "*",
        None,
    ]


def test_what_was_seen_is_not_walked_again() -> None:
    links = Links({"a": {"fallbacks": ["b"]}, "b": {"fallbacks": ["a"]}, "c": {"fallbacks": ["b"]}})
    seen: set[str] = set()
    assert list(links.reached("a", seen)) == ["a", "b"]
    assert list(links.reached("c", seen)) == ["c"]
