"""`cost_cap`: rejections, the lowered limit, the running bill. A token of output costs a dollar, of input a tenth."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from policies import estimate
from policies.base import Context, Refuse, Request, Target
from policies.chain import Chain
from policies.cost_cap import CostCap, CostCapConfig
from policies.events import Event, Finish, Text, ToolCall, Usage
from policies.prices import Price
from policies.steps import finished
from tests.policies.texts import SAMPLES, cut

PRICE = Price(100_000, 1_000_000)
BODY = {"messages": [{"role": "user", "content": "x" * 24}]}
PROMPT = estimate.prompt_tokens(BODY)


def cap(
    usd: float, choices: int = 1, price: Price | None = PRICE, spent: float = 0, most: int | None = None
) -> CostCap:
    target = Target(max_output=most, price=price)
    context = Context("m", lambda: 0.0, choices=choices, target=target, spent=spent)
    return CostCap("cost_cap/t", CostCapConfig(max_usd=usd), context)


def begun(usd: float, **members: Any) -> Chain:
    policy = cap(usd, **members)
    assert isinstance(finished(policy.request(Request(BODY))), Request)
    return Chain([policy])


def joined(events: list[Event]) -> str:
    return "".join(e.text for e in events if isinstance(e, Text))


def test_the_prompts_estimate() -> None:
    assert PROMPT == 14  # 4 for the message, 3.75 for "role", "content" and "user", 6 for the text: rounded up


def test_a_prompt_that_is_too_dear_is_refused() -> None:
    refusal = finished(cap(2.2).request(Request(BODY)))
    assert isinstance(refusal, Refuse)
    assert (refusal.status, refusal.code) == (400, "cost_cap")
    assert finished(cap(2.41).request(Request(BODY))) == Request({**BODY, "max_tokens": 1})


@pytest.mark.parametrize("price", [None, Price(1, 0)])
def test_a_model_without_a_price_is_refused(price: Price | None) -> None:
    refusal = finished(cap(1, price=price).request(Request(BODY)))
    assert isinstance(refusal, Refuse)
    assert refusal.code == "no_price"


def test_a_free_model_passes() -> None:
    policy = cap(0.001, price=Price(0, 0))
    assert finished(policy.request(Request(BODY))) == Request(BODY)
    chain = Chain([policy])
    events: list[Event] = [Text(0, "content", "x" * 10_000), Usage(10, 10_000), Finish(0, "stop")]
    assert [out for event in events for out in chain.feed(event)] == events


@pytest.mark.parametrize(
    ("members", "body", "limit"),
    [
        ({}, {}, 50),
        ({"choices": 5}, {"n": 5}, 10),
        ({"spent": 20}, {}, 30),
        ({"most": 40}, {}, 40),
        ({}, {"max_tokens": 7}, 7),
        ({"price": Price(100_000, 1_000_000, reasoning=2_000_000)}, {}, 25),
    ],
)
def test_the_providers_limit_is_what_is_left(members: dict[str, Any], body: dict[str, Any], limit: int) -> None:
    request = finished(cap(50 + PROMPT / 10, **members).request(Request({**BODY, **body})))
    assert isinstance(request, Request)
    assert request.body["max_tokens"] == limit


def test_a_thinking_budget_that_is_not_covered_is_refused() -> None:
    body = {**BODY, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    assert isinstance(finished(cap(1000).request(Request(body))), Refuse)
    assert isinstance(finished(cap(1100).request(Request(body))), Request)


@pytest.mark.parametrize(("budget", "allowed"), [(49, True), (50, False), (51, False)])
def test_a_thinking_budget_must_leave_a_token_for_the_answer(budget: int, allowed: bool) -> None:
    body = {**BODY, "thinking": {"type": "enabled", "budget_tokens": budget}}
    answer = finished(cap(50 + PROMPT / 10).request(Request(body)))  # 50 tokens are left
    assert isinstance(answer, Request) is allowed


@settings(max_examples=60, deadline=None)
@given(data=st.data(), text=st.sampled_from(SAMPLES), tokens=st.integers(1, 40))
def test_the_cut_is_the_same_for_every_chunking(data: st.DataObject, text: str, tokens: int) -> None:
    chain = begun(tokens + PROMPT / 10 + 0.001)
    out = [e for piece in data.draw(cut(text)) for e in chain.feed(Text(0, "content", piece))]
    assert joined(out) == text[: estimate.within(text, tokens * estimate.UNITS)]
    assert bool(chain.stopped) == (estimate.units(text) > tokens * estimate.UNITS)


def test_all_choices_are_one_bill() -> None:
    chain = begun(3.5 + PROMPT / 10, choices=2)
    out = [e for choice in (0, 1, 0, 1) for e in chain.feed(Text(choice, "content", "abcd"))]
    assert joined(out) == "abcd" * 3 + "ab"
    assert chain.finished == {0: "length", 1: "length"}
    assert next(e for e in out if isinstance(e, Finish)).by == "cost_cap/t"


def test_a_finished_choice_is_not_ended_again() -> None:
    chain = begun(2.1 + PROMPT / 10, choices=2)
    out = [e for event in (Text(0, "content", "abcd"), Finish(0, "stop")) for e in chain.feed(event)]
    out += chain.feed(ToolCall(1, 0, "id", "f", '{"a": "b", "c": 1}'))
    assert chain.finished == {0: "stop", 1: "length"}


def test_what_the_provider_tells_counts() -> None:
    chain = begun(20 + PROMPT / 10)
    chain.feed(Usage(13, 5, reasoning=5))
    assert not chain.stopped
    chain.feed(Usage(13, 21, reasoning=20))
    assert chain.stopped
    chain = begun(20 + PROMPT / 10)
    chain.feed(Usage(220, 1))
    assert chain.stopped
    chain = begun(20 + PROMPT / 10, price=Price(100_000, 1_000_000, cached=1))
    chain.feed(Usage(200, 1, cached=199))
    assert not chain.stopped


@pytest.mark.parametrize("usd", [0, -1, True, float("nan"), "much"])
def test_configs_that_are_refused(usd: Any) -> None:
    with pytest.raises(ValidationError):
        CostCapConfig(max_usd=usd)


def test_parts_of_a_cost() -> None:
    tiered = Price(1, 10, 0.1, 2, 20, above=((1000, Price(3, 30)),))
    cost = tiered.cost(Usage(900, 100, cached=300, cache_write=100, reasoning=40))
    assert [part * 1e6 for part in (cost.input, cost.cached, cost.cache_write, cost.output, cost.reasoning)] == [
        pytest.approx(part) for part in (500, 30, 200, 600, 800)
    ]
    assert tiered.cost(Usage(2000, 10)).total * 1e6 == pytest.approx(6300)


def test_media_count_as_a_lump() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10**6}}
    body = {"messages": [{"role": "user", "content": [image]}]}
    assert 1000 < estimate.prompt_tokens(body) < 1020
