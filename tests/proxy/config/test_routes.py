"""Targets and fallbacks: every name refers to something, no loops, nothing without effect."""

from collections.abc import Callable

import pytest

from proxy.config.load import parse
from proxy.config.resolve import fallbacks, resolve

Refusal = Callable[[str], list[str]]

PROVIDERS = "providers: {openai: {api_key: k}, gemini: {api_key: k}, local: {api: openai, base_url: 'http://h/v1'}}\n"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("m: {}", "3:5 models.m: needs exactly one of `target` and `targets`"),
        (
            "m: {target: openai/x, targets: [openai/y]}",
            "3:5 models.m: needs exactly one of `target` and `targets`",
        ),
        ("m: {targets: []}", "3:15 models.m.targets: must not be empty"),
        ("m: {targets: [openai/x, nope/y]}", "3:26 models.m.targets[1]: names an unknown provider"),
        (
            "m: {targets: [openai/x, {target: nope/y}]}",
            "3:35 models.m.targets[1].target: names an unknown provider",
        ),
        ("m: {targets: [openai/x, openai]}", "3:26 models.m.targets[1]: must be `provider/model`"),
        ("m: {targets: [openai/x, openai/x]}", "3:26 models.m.targets[1]: is listed twice: keep one, with a larger"),
        ("m: {targets: [openai/x, {target: openai/y, weight: 0}]}", "3:53 models.m.targets[1].weight: must be greater"),
        ("m: {targets: [{target: openai/x, weight: 2}]}", "3:43 models.m.targets[0].weight: has no effect with one"),
        (
            "m: {targets: [{target: openai/x, weight: 2}, gemini/y], strategy: lowest_cost}",
            "3:43 models.m.targets[0].weight: has no effect with `strategy: lowest_cost`",
        ),
        ("m: {targets: [{target: openai/x, max_streams: 0}]}", "3:48 models.m.targets[0].max_streams: must be"),
        ("m: {targets: [{target: openai/x, supports: [sound]}]}", "3:46 models.m.targets[0].supports[0]: must be"),
        (
            "{a: {targets: [{target: openai/x, max_streams: 2}]}, b: {targets: [{target: openai/x, max_streams: 3}]}}",
            "3:101 models.b.targets[0].max_streams: is 2 for the same target in models.a: the limit is the target's",
        ),
        ("m: {target: openai/x, strategy: weighted}", "3:34 models.m.strategy: has no effect with one target"),
        ("m: {targets: [openai/x, openai/y], strategy: quickest}", "3:47 models.m.strategy: must be 'weighted'"),
        ("m: {target: openai/x, fallbacks: [m]}", "3:36 models.m.fallbacks[0]: is the model itself, a loop"),
        ("m: {target: openai/x, fallbacks: [nn]}", "3:36 models.m.fallbacks[0]: unknown model"),
        (
            "m: {target: openai/x, fallbacks: ['g-*']}",
            "3:36 models.m.fallbacks[0]: must be one model's name, without *",
        ),
        (
            "{m: {target: openai/x, fallbacks: [n, n]}, n: {target: openai/y}}",
            "3:40 models.m.fallbacks[1]: is listed twice",
        ),
    ],
)
def test_what_cannot_work_is_refused(refusal: Refusal, line: str, problem: str) -> None:
    (found,) = refusal(f"{PROVIDERS}models:\n {line}")
    assert found.startswith(problem)


def test_a_loop_is_refused_at_each_of_its_links(refusal: Refusal) -> None:
    found = refusal(
        f"{PROVIDERS}models:\n"
        " a: {target: openai/a, fallbacks: [b]}\n"
        " b: {target: openai/b, fallbacks: ['c-1']}\n"
        " 'c-*': {target: 'openai/c-*', fallbacks: [a]}\n"
        " outside: {target: openai/o, fallbacks: [a]}"
    )
    assert [line.partition(": ")[0] for line in found] == [
        "3:36 models.a.fallbacks[0]",
        "4:36 models.b.fallbacks[0]",
        "5:44 models.c-*.fallbacks[0]",
    ]
    assert "leads back to 'a', a loop: take one of its fallbacks out" in found[0]


@pytest.mark.parametrize(
    "lines",
    [
        "m: {targets: [openai/x]}",
        "m: {targets: [openai/x, {target: gemini/y, weight: 0.5, max_streams: 3, whole: native}]}",
        "m: {targets: [openai/x, gemini/y], strategy: lowest_latency}",
        "m: {targets: [{target: local/x, context_window: 8192, supports: [images, tools]}, gemini/y]}",
        "m: {targets: [local/x, gemini/y], drop_params: true}",
        "{m: {target: openai/x, fallbacks: [g-1]}, 'g-*': {target: 'gemini/g-*'}}",
        "{a: {target: openai/x, fallbacks: [b, c]}, b: {target: openai/y, fallbacks: [c]}, c: {target: openai/z}}",
    ],
)
def test_usual_routes_are_accepted(refusal: Refusal, lines: str) -> None:
    assert refusal(f"{PROVIDERS}models:\n {lines}") == []


def test_fallbacks_of_fallbacks_come_behind_and_none_comes_twice() -> None:
    config = parse(
        f"{PROVIDERS}models:\n"
        " a: {target: openai/a, fallbacks: [b, c]}\n b: {target: openai/b, fallbacks: [d, c]}\n"
        " c: {target: openai/c}\n d: {target: openai/d}",
        environ={},
    )
    resolved = resolve(config, "a")
    assert resolved is not None
    assert [fallback.alias for fallback in fallbacks(config, resolved)] == ["b", "c", "d"]


def test_each_target_gets_what_the_names_wildcard_took_unless_it_is_not_for_it() -> None:
    config = parse(f"{PROVIDERS}models:\n 'm-*': {{targets: ['gemini/*', 'local/*', openai/o]}}", environ={})
    plain, slashed = resolve(config, "m-x"), resolve(config, "m-x/y")
    assert plain is not None and [place.name for place in plain.places] == ["gemini/x", "local/x", "openai/o"]
    assert slashed is not None and [place.name for place in slashed.places] == ["local/x/y", "openai/o"]


def test_a_targets_own_settings_go_before_the_models() -> None:
    config = parse(f"{PROVIDERS}models:\n m: {{targets: [{{target: openai/x, whole: native}}, openai/y]}}", environ={})
    resolved = resolve(config, "m")
    assert resolved is not None and [place.settings.whole for place in resolved.places] == ["native", "stream"]
