"""A record's facts as attributes."""

import pytest

from policies.events import Note, Usage
from proxy.accounting.ledger import Bill
from proxy.accounting.record import MAX_ACTIONS
from proxy.telemetry import attributes, names
from tests.proxy.telemetry.served import a_record, a_try


def test_numbers_that_were_asked_for_and_no_text() -> None:
    body = {
        **{"temperature": 0.5, "top_p": 1, "max_completion_tokens": 9, "seed": 7, "top_k": True, "n": 3},
        **{"stop": ["STOP"], "user": "jane", "messages": [{"content": "hello"}], "presence_penalty": "much"},
    }
    assert attributes.asked(body) == {
        names.TEMPERATURE: 0.5,
        names.TOP_P: 1,
        names.MAX_TOKENS: 9,
        names.SEED: 7,
        names.CHOICE_COUNT: 3,
    }


def test_both_times_to_the_first_token() -> None:
    found = attributes.chat(a_record())
    assert found[names.TIME_TO_FIRST_CHUNK] == 0.5
    assert found[names.DELIVERED] == 0.875
    assert found[names.HELD] == pytest.approx(250)


def test_tokens_in_all_their_kinds() -> None:
    usage = Usage(100, 50, cached=30, cache_write=20, reasoning=10)
    found = attributes.chat(a_record(bill=Bill(usage, "reported", "estimated")))
    assert [found[name] for name in (names.INPUT_TOKENS, names.OUTPUT_TOKENS, names.REASONING)] == [100, 50, 10]
    assert [found[name] for name in (names.CACHE_READ, names.CACHE_WRITE, names.CACHE_CREATION)] == [30, 20, 20]
    assert found[names.USAGE_SOURCE] == "estimated" and names.COST not in found


def test_the_attempt_that_answered_names_provider_and_model() -> None:
    tries = [a_try(), a_try(2, provider="gemini", model="gemini-2.5-flash", reason="fallback", first_token=0.1)]
    tries[1].api, tries[1].response_model = "gemini", "gemini-2.5-flash-001"
    found = attributes.chat(a_record(tries=tries))
    assert (found[names.PROVIDER], found[names.REQUEST_MODEL]) == ("gcp.gemini", "gemini-2.5-flash")
    assert (found[names.RESPONSE_MODEL], found[names.ATTEMPTS]) == ("gemini-2.5-flash-001", 2)


def test_an_attempt() -> None:
    found = attributes.attempt(a_try(2, reason="retry", status=529, error="overloaded_error", address="h", port=443))
    assert found == {
        names.ATTEMPT_NUMBER: 2,
        names.ATTEMPT_PROVIDER: "openai",
        names.ATTEMPT_API: "openai",
        names.ATTEMPT_MODEL: "gpt-4o-mini",
        names.ATTEMPT_REASON: "retry",
        names.SERVER_ADDRESS: "h",
        names.SERVER_PORT: 443,
        names.HTTP_STATUS: 529,
        names.ERROR_TYPE: "overloaded_error",
    }


def test_policies_are_counted_by_rule_and_at_most_so_many() -> None:
    notes = [Note("p/x", "redact", f"r{index % 40}", 0, "content", 2, index) for index in range(80)]
    told = attributes.policy_events(a_record(notes=notes).acted(), {"p/x": "abc"})
    assert len(told) == MAX_ACTIONS + 1
    name, first = told[0]
    assert name == names.POLICY_EVENT
    assert (first[names.POLICY_RULE], first[names.POLICY_COUNT], first[names.POLICY_OFFSET]) == ("r0", 4, 0)
    assert first[names.POLICY_VERSION] == "abc"
    assert told[-1] == (names.POLICY_REST_EVENT, {names.POLICY_RULES: 8, names.POLICY_COUNT: 32})


def test_what_backends_want_is_added_and_replaces_nothing() -> None:
    usage = Usage(3, 2, reasoning=1)
    record = a_record()
    assert record.bill is not None
    record.bill = Bill(usage, "reported", "reported", record.bill.cost)
    plain = attributes.chat(record)
    spelled = attributes.chat(record, ("openinference", "langfuse", "signoz"))
    assert plain.items() <= spelled.items()
    assert {name: spelled[name] for name in spelled.keys() - plain.keys()} == {
        names.OI_KIND: "LLM",
        names.OI_REASONING: 1,
        names.LANGFUSE_COST: plain[names.COST],
        names.SIGNOZ_FIRST: 0.5,
    }
    assert attributes.server(record, ("openinference",))[names.OI_KIND] == "CHAIN"
