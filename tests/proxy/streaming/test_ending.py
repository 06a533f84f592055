"""A request's end gives back all that it holds, once, and tells of the record behind it."""

import pytest

from proxy.access.slots import Overloaded
from proxy.accounting.record import Record
from proxy.errors import GatewayError, InvalidRequest, PolicyFailed, UpstreamError, UpstreamTimeout
from proxy.streaming.ending import Ending, outcome_of


@pytest.fixture
def record() -> Record:
    return Record("chatcmpl-1", "m", True)


def test_all_is_given_back_once_the_last_first_and_then_the_record_is_told(record: Record) -> None:
    seen: list[object] = []
    ending = Ending(record, lambda record: seen.append((record.outcome, record.duration > 0)))
    for name in ("body", "place", "watcher"):
        ending.owns(seen.append, name)
    ending.outcome("completed")
    ending.finish()
    ending.finish()
    assert seen == ["watcher", "place", "body", ("completed", True)]


def test_a_release_in_advance_leaves_only_the_record_for_the_end(record: Record) -> None:
    seen: list[object] = []
    ending = Ending(record, lambda record: seen.append("told"))
    ending.owns(seen.append, "place")
    ending.release()
    assert seen == ["place"]
    ending.finish()
    assert seen == ["place", "told"]


def test_one_that_raises_keeps_nothing_from_being_given_back_and_told(record: Record) -> None:
    seen: list[object] = []

    def fails() -> None:
        raise ZeroDivisionError

    ending = Ending(record, lambda record: seen.append("told"))
    ending.owns(seen.append, "body")
    ending.owns(fails)
    ending.owns(seen.append, "watcher")
    with pytest.raises(ZeroDivisionError):
        ending.finish()
    assert seen == ["watcher", "body", "told"]


def test_an_outcome_names_the_clients_error_and_the_providers_status(record: Record) -> None:
    error = UpstreamError("No.", code="overloaded")
    error.provider_status = 529
    Ending(record).outcome("upstream_error", error)
    assert (record.outcome, record.error, record.provider_status) == ("upstream_error", "overloaded", 529)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (PolicyFailed("It failed."), "policy_error"),
        (Overloaded("Full.", retry_after=1), "shed"),
        (UpstreamTimeout("Late."), "timeout"),
        (UpstreamError("It died."), "upstream_error"),
        (UpstreamError("Its word.", status=400), "refused"),
        (InvalidRequest("Not so.", param="n"), "refused"),
        (GatewayError("Not here.", status=404), "refused"),
    ],
)
def test_an_error_has_its_outcome(error: GatewayError, outcome: str) -> None:
    assert outcome_of(error) == outcome
