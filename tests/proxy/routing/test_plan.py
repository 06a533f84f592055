"""The targets that a request may go to."""

import pytest

from proxy.config.models import Model
from proxy.config.resolve import Resolved, ResolvedTarget
from proxy.errors import InvalidRequest
from proxy.formats.openai_chat.operation import CHAT
from proxy.routing.capabilities import Needs, needs
from proxy.routing.order import Known
from proxy.routing.plan import groups
from tests.proxy.routing.places import Clock, place, targets

IMAGE = needs(CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 100)


def model(*names: str) -> Resolved:
    places: tuple[ResolvedTarget, ...] = tuple(place(name) for name in names)
    return Resolved("m", "m", Model(target=names[0]), places)


def known(needed: Needs = IMAGE) -> Known:
    return Known(targets(Clock()), {}, needed, lambda: 0.5)


def test_targets_that_cannot_serve_the_request_are_skipped() -> None:
    found = groups([model("openai/gpt-3.5-turbo", "openai/gpt-4o"), model("openai/gpt-4")], known())
    assert [[p.model for p in group.places] for group in found] == [["gpt-4o"]]
    assert found[0].chosen == "only"


def test_a_fallback_that_can_serve_it_is_the_first_when_the_model_cannot() -> None:
    found = groups([model("openai/gpt-4"), model("openai/gpt-4o"), model("openai/gpt-4o-mini")], known())
    assert [(group.places[0].model, group.chosen) for group in found] == [
        ("gpt-4o", "only"),
        ("gpt-4o-mini", "fallback"),
    ]


def test_when_none_is_left_the_client_is_told_why_for_each() -> None:
    with pytest.raises(InvalidRequest) as error:
        groups([model("openai/gpt-3.5-turbo"), model("openai/gpt-4")], known())
    assert (error.value.status, error.value.code) == (400, "unsupported_request")
    assert "openai/gpt-3.5-turbo takes no images; openai/gpt-4 takes no images" in error.value.message


def test_a_prompt_too_long_for_all_has_openais_code() -> None:
    long = needs(CHAT, {"messages": [{"role": "user", "content": "word " * 10_000}]}, 50_000)
    with pytest.raises(InvalidRequest) as error:
        groups([model("openai/gpt-4")], known(long))
    assert (error.value.code, error.value.param) == ("context_length_exceeded", "messages")
