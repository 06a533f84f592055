"""A request is billed by the provider's counts if the answer is complete, and by the estimate if it was cut."""

import pytest

from policies.events import Text, ToolCall, Usage
from policies.prices import Price
from proxy.accounting.ledger import Bill, Ledger
from proxy.errors import InvalidRequest, UpstreamError, UpstreamTimeout

BODY = {"messages": [{"role": "user", "content": "x" * 24}]}
PROMPT = 14
PRICE = Price(1_000_000, 10_000_000, cached=100_000)


def ledger(price: Price | None = None) -> Ledger:
    begun = Ledger()
    begun.begin(BODY, price)
    return begun


def settled(running: Ledger) -> Bill:
    running.settle()
    bill = running.bill()
    assert bill is not None
    return bill


def test_nothing_asked_nothing_billed() -> None:
    assert Ledger().bill() is None


def test_an_answer_that_ended_has_the_providers_word() -> None:
    running = ledger(PRICE)
    running.saw(Text(0, "content", "x" * 400))
    told = Usage(9, 7, cached=5, reasoning=2, details={"prompt_tokens": 9})
    running.saw(told)
    running.ended()
    bill = settled(running)
    assert (bill.usage, bill.source) == (told, "reported")
    assert bill.cost is not None
    assert bill.cost.total == pytest.approx(4 * 1 + 5 * 0.1 + 7 * 10)


def test_an_estimate_of_the_prompt_that_is_there_already_is_taken() -> None:
    running = Ledger()
    running.begin(BODY, PRICE, 12_345)
    running.let_go()
    assert settled(running).usage.prompt == 12_345


def test_an_answer_that_was_cut_is_estimated_from_what_came() -> None:
    running = ledger()
    running.saw(Usage(9, 1))
    for _ in range(10):
        running.saw(Text(0, "content", "abcd"))
    running.saw(Text(0, "reasoning", "abcdefgh"))
    running.saw(ToolCall(0, 0, "id", "name", '{"a": 1}'))
    bill = settled(running)
    assert bill.usage == Usage(9, 15, reasoning=2)
    assert (bill.prompt, bill.completion, bill.source) == ("reported", "estimated", "estimated")


def test_an_answer_that_a_cap_stopped_has_the_caps_count() -> None:
    running = ledger()
    running.saw(Text(0, "content", "abcd" * 30))
    running.saw(Text(0, "reasoning", "abcdefgh"))
    running.capped(20)
    assert settled(running).usage.completion == 22


def test_what_the_provider_had_told_counts_where_it_is_more() -> None:
    running = ledger()
    running.saw(Text(0, "content", "abcd"))
    running.saw(Usage(9, 70, reasoning=60))
    assert settled(running).usage == Usage(9, 70, reasoning=60)


def test_a_provider_that_tells_nothing() -> None:
    running = ledger()
    running.saw(Text(0, "content", "abcd"))
    running.ended()
    bill = settled(running)
    assert (bill.usage, bill.prompt, bill.completion) == (Usage(PROMPT, 1), "estimated", "estimated")
    assert running.told is None


def test_a_provider_that_tells_the_prompt_alone() -> None:
    running = ledger()
    running.saw(Usage(9, 0))
    running.saw(Text(0, "content", "abcd"))
    running.ended()
    bill = settled(running)
    assert (bill.usage, bill.prompt, bill.completion) == (Usage(9, 1), "reported", "estimated")


@pytest.mark.parametrize(
    ("error", "billed"),
    [
        (InvalidRequest("bad"), False),
        (UpstreamError("no", provider_status=429), False),
        (UpstreamTimeout("slow", code="connect_timeout"), False),
        (UpstreamError("no", code="connect_error"), False),
        (UpstreamError("gone", code="upstream_died"), True),
        (UpstreamTimeout("slow"), True),
    ],
)
def test_an_attempt_that_was_not_answered(error: Exception, billed: bool) -> None:
    running = ledger()
    running.refused(error)  # type: ignore[arg-type]
    running.settle()
    bill = running.bill()
    assert (bill.usage if bill else None) == (Usage(PROMPT, 0) if billed else None)


def test_attempts_are_added_up() -> None:
    running = ledger(PRICE)
    running.saw(Text(0, "content", "abcd"))
    running.begin(BODY, PRICE)
    running.refused(UpstreamError("no", provider_status=500))
    running.begin(BODY, PRICE)
    running.saw(Usage(9, 7, reasoning=2))
    running.ended()
    bill = settled(running)
    assert bill.usage == Usage(PROMPT + 9, 8, reasoning=2)
    assert (bill.prompt, bill.completion) == ("estimated", "estimated")
    assert bill.cost is not None
    assert bill.cost.total == pytest.approx(PROMPT + 10 + 9 + 70)
