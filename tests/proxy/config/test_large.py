"""Files that are as large as they may be, in the shapes that ask for most: each is settled in seconds. Before, the same
took from half a minute to hours, so the bounds of time are generous."""

import time
from collections.abc import Callable

import pytest

from proxy.config import source

Refusal = Callable[..., list[str]]

PROVIDERS = "providers: {openai: {api_key: k}}\n"
RIGHT = PROVIDERS + "models: {m: {target: openai/m}}\n"
PATIENCE = 30


def models(lines: str, count: int) -> str:
    return PROVIDERS + "models:\n" + "".join(f"  {lines.format(i=i, next=i + 1)}\n" for i in range(count))


SHAPES: dict[str, tuple[str, str | None]] = {
    "a key given again and again": ("a: 1\n" * 10_000, " or more"),
    "unknown keys": ("".join(f"k{i}: 1\n" for i in range(5_000)), " or more"),
    "a chain of fallbacks": (models("k{i}: {{target: openai/m, fallbacks: [k{next}]}}", 1_500), "unknown model"),
    "a ring of fallbacks": (
        models("k{i}: {{target: openai/m, fallbacks: [k{next}]}}", 1_500).replace("[k1500]", "[k0]"),
        "a loop",
    ),
    "unknown fallbacks": (models("k{i}: {{target: openai/m, fallbacks: [x{i}]}}", 1_500), "unknown model"),
    "fallbacks and wildcards": (models("'k{i}*': {{target: openai/m, fallbacks: [k{next}x]}}", 1_500), "a loop"),
    "targets of one model": (
        PROVIDERS + f"models: {{m: {{targets: [{','.join(f'openai/m{i}' for i in range(5_000))}]}}}}\n",
        None,
    ),
    "prices with a wildcard": (
        models("k{i}: {{target: openai/m{i}}}", 1_500)
        + "default_policies: [cap/a]\npolicies: {cap/a: {}}\nprices:\n"
        + "".join(f"  'k{i}*': {{input: 1, output: 1}}\n" for i in range(1_500)),
        "unknown policy type 'cap'",
    ),
    "unknown policies": (RIGHT + f"default_policies: [{','.join(f'mask/{i}' for i in range(5_000))}]\n", "unknown"),
    "policies of unknown types": (RIGHT + "policies:\n" + "".join(f"  mas{i}/x:\n" for i in range(5_000)), "unknown"),
}


@pytest.mark.parametrize(("text", "expected"), SHAPES.values(), ids=SHAPES.keys())
def test_a_large_file_is_settled_in_seconds(refusal: Refusal, text: str, expected: str | None) -> None:
    begin = time.monotonic()
    found = refusal(text)
    assert time.monotonic() - begin < PATIENCE
    assert expected in "\n".join(found) if expected else not found
    assert len(found) <= 101


def test_what_the_environment_is_asked_for_together_is_bounded(refusal: Refusal) -> None:
    text = RIGHT + f"server: {{host: '{'${BIG}' * 50_000}'}}"  # of 100 kB each they would come to 5 GB
    (found,) = refusal(text, {"BIG": "x" * 100_000})
    assert found == (
        "3:16: comes to more than 4 MiB, with all that the environment is asked for: use fewer or shorter ${NAME}"
    )


@pytest.mark.parametrize("unit", ["[", "{a: ", "- ", "? ", "[{? "])
def test_depth_is_refused_before_it_is_read(refusal: Refusal, unit: str) -> None:
    begin = time.monotonic()
    (found,) = refusal(unit * 100_000)
    assert "is nested deeper than 32 levels here" in found
    assert time.monotonic() - begin < PATIENCE


@pytest.mark.parametrize("unit", ["{},", "*a,", "1,"])
def test_so_are_more_nodes_than_a_configuration_may_have(
    refusal: Refusal, unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "MAX_NODES", 1_000)
    (found,) = refusal(f"a: &a 1\nb: [{unit * 1_100}]")
    assert "holds more than 1000 keys and values: split the configuration" in found
