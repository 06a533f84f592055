"""The memory of requests' bodies is counted, and limited in total and for each client."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.access.bodies import Bodies
from proxy.access.slots import Overloaded
from proxy.errors import GatewayError, InvalidRequest

MAX, SHARE = 100, 60

STEPS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 80)), max_size=40)
"""Requests by number, and the bytes that each holds from then on."""


@settings(max_examples=200, derandomize=True)
@given(STEPS)
def test_what_is_held_is_the_sum_of_all_requests_and_within_the_bounds(steps: list[tuple[int, int]]) -> None:
    bodies = Bodies(MAX, SHARE)
    leases = [bodies.lease(f"client-{number % 2}") for number in range(6)]
    held = [0] * 6
    for number, size in steps:
        others = sum(held) - held[number]
        own = sum(held[number % 2 :: 2]) - held[number]
        fits = size <= held[number] or (others + size <= MAX and own + size <= SHARE)
        try:
            leases[number].hold(size)
            assert fits
            held[number] = size
        except GatewayError:
            assert not fits
        assert bodies.held == sum(held) <= MAX
        assert [lease.held for lease in leases] == held
    for lease in leases:
        lease.release()
    assert bodies.held == 0 and not bodies._clients


def test_too_little_for_now_is_a_503_that_says_when_to_come_again() -> None:
    bodies = Bodies(MAX, SHARE)
    bodies.lease("one").hold(60)
    with pytest.raises(Overloaded) as refused:
        bodies.lease("two").check(50)
    assert (refused.value.status, refused.value.retry_after) == (503, 1)
    assert "server.max_inflight_mb" in refused.value.message and "The gateway's" in refused.value.message


def test_one_client_leaves_room_for_the_others() -> None:
    bodies = Bodies(MAX, SHARE)
    bodies.lease("one").hold(40)
    with pytest.raises(Overloaded, match="Your other requests"):
        bodies.lease("one").hold(30)
    bodies.lease("two").hold(60)


def test_more_than_there_will_ever_be_is_a_413() -> None:
    with pytest.raises(InvalidRequest, match="send less") as refused:
        Bodies(MAX, SHARE).lease("one").hold(61)
    assert (refused.value.status, refused.value.code) == (413, "request_too_large")


def test_other_bounds_hold_for_what_comes() -> None:
    bodies = Bodies(MAX, MAX)
    lease = bodies.lease("one")
    lease.hold(90)
    bodies.resize(50, 50)
    lease.hold(80)  # less than before
    with pytest.raises(Overloaded):
        bodies.lease("two").check(1)
    lease.release()
    bodies.lease("two").hold(50)
