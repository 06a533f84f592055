"""Events that wait for the first event with substance."""

from policies.events import Finish, Opaque, Text, Usage
from proxy.streaming.prelude import MAX_BYTES, MAX_EVENTS, Prelude

UNKNOWN = Opaque(0, "delta", {"x": 1})


def test_what_waits_goes_with_the_first_event_of_substance_in_order() -> None:
    prelude = Prelude()
    assert prelude.until_begun([UNKNOWN]) is None
    assert prelude.until_begun([Text(0, "content", "")]) is None
    begun = prelude.until_begun([Text(0, "content", "a"), Finish(0, "stop")])
    assert begun == [UNKNOWN, Text(0, "content", ""), Text(0, "content", "a"), Finish(0, "stop")]


def test_counts_do_not_wait_however_many_come() -> None:
    prelude = Prelude()
    assert all(prelude.until_begun([Usage(number, 0, details={"x": "y" * 1000})]) is None for number in range(10_000))
    assert prelude._events == []


def test_no_more_waits_than_its_bounds() -> None:
    for event, most in (
        (UNKNOWN, MAX_EVENTS),
        (Text(0, "content", ""), MAX_EVENTS),
        (Opaque(None, "chunk", {"x": ["y" * 992]}), MAX_BYTES // 1000),
    ):
        prelude = Prelude()
        batches = [prelude.until_begun([event]) for _ in range(most + 1)]
        assert batches[:-1] == [None] * most and batches[-1] == [event] * (most + 1)
