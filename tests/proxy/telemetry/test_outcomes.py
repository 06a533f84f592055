"""The outcomes that count as errors, and the time for which text was held."""

from typing import get_args

import pytest

from proxy.accounting.record import Outcome
from proxy.telemetry.outcomes import FAILURES, held, own_error, provider_finish_reasons
from tests.proxy.telemetry.served import a_record

NO_ERRORS = {"completed", "client_cancelled", "client_timeout", "policy_stopped", "refused"}


def test_every_outcome_is_decided() -> None:
    assert set(get_args(Outcome)) == FAILURES | NO_ERRORS and not FAILURES & NO_ERRORS


@pytest.mark.parametrize(
    ("outcome", "code", "status", "error"),
    [
        ("completed", None, 200, ""),
        ("client_cancelled", None, None, ""),
        ("refused", "invalid_body", 400, ""),
        ("upstream_error", "upstream_died", 200, "upstream_died"),
        ("upstream_error", "a provider's own words", 502, "502"),
        ("upstream_error", "a provider's own words", 200, "_OTHER"),
        ("timeout", "upstream_timeout", 504, "timeout"),
        ("failed", None, None, "_OTHER"),
        ("shed", "overloaded", 503, "overloaded"),
    ],
)
def test_the_type_of_an_error(outcome: Outcome, code: str | None, status: int | None, error: str) -> None:
    assert own_error(a_record(outcome=outcome, error=code, status=status)) == error


def test_held_is_the_time_between_the_two_first_tokens() -> None:
    assert held(a_record()) == pytest.approx(0.25)
    assert held(a_record(first_event=None)) is None
    assert held(a_record(first_event=0.1)) == 0
    assert held(a_record(tries=[])) is None


def test_an_answer_that_was_cut_by_a_failure_says_so() -> None:
    assert provider_finish_reasons(a_record(finish_reasons={1: "length", 0: "stop"})) == ["stop", "length"]
    assert provider_finish_reasons(a_record(finish_reasons={}, outcome="upstream_error")) == ["error"]
    assert provider_finish_reasons(a_record(finish_reasons={}, outcome="upstream_error", first_event=None)) == []
