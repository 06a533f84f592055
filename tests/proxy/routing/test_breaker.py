"""The circuit breaker of a target, and the circuits of the keys that use it."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.models import Cooldown
from proxy.routing.breaker import MAX_KEYS, MAX_PROBING_KEYS, PASSES, PROBE_WAIT, Breaker
from tests.proxy.routing.places import Clock


def breaker(clock: Clock, failures: int = 3) -> Breaker:
    return Breaker(Cooldown(failures=failures, share=0.5, window=60, seconds=30), clock)


def tried(one: Breaker, key: str | None, *, failed: bool, answered: bool = False) -> None:
    """An attempt from its begin to its end."""
    probe = one.began(key)
    if answered or not failed:
        one.answered(key, probe)
    if failed:
        one.failed(key, probe, answered=answered)
    one.ended(probe)


def failed(one: Breaker, times: int, key: str | None = None) -> None:
    for _ in range(times):
        tried(one, key, failed=True)


def answered(one: Breaker, times: int, key: str | None = None) -> None:
    for _ in range(times):
        tried(one, key, failed=False)


# ---- a key's circuit
def test_it_opens_after_so_many_failures() -> None:
    one = breaker(Clock())
    failed(one, 2)
    assert one.allows(None) and one.failures == 2
    failed(one, 1)
    assert not one.allows(None) and one.wait(None) == 30 and one.opens_in() == 30


def test_failures_below_the_share_do_not_open_it() -> None:
    one = breaker(Clock())
    answered(one, 21)
    failed(one, 20)
    assert one.allows(None)
    failed(one, 1)
    assert not one.allows(None)


def test_failures_that_are_older_than_the_window_do_not_count() -> None:
    clock = Clock()
    one = breaker(clock)
    failed(one, 2)
    clock.now += 61
    failed(one, 2)
    assert one.allows(None) and one.failures == 2


def test_with_much_traffic_the_latest_outcomes_alone_count() -> None:
    clock = Clock()
    one = breaker(clock)
    answered(one, 1000)
    clock.now += 6
    failed(one, 50)
    assert not one.allows(None)


def test_answers_that_break_off_open_it_too() -> None:
    one = breaker(Clock())
    for _ in range(3):
        tried(one, None, failed=True, answered=True)
    assert not one.allows(None)


def test_after_the_cooldown_one_request_may_try_then_more_and_more() -> None:
    clock = Clock()
    one = breaker(clock)
    failed(one, 3)
    clock.now += 30
    at_once = []
    for _ in range(PASSES):
        probes = []
        while one.allows(None):
            probes.append(one.began(None))
        assert one.wait(None) == PROBE_WAIT
        at_once.append(len(probes))
        one.answered(None, probes[0])
        for probe in probes:
            one.ended(probe)
    assert at_once == [1, 2, 4]
    assert [one.allows(None) for _ in range(100)] == [True] * 100


def test_what_failed_before_the_cooldown_does_not_count_behind_it() -> None:
    clock = Clock()
    one = breaker(clock)
    failed(one, 3)
    clock.now += 30
    answered(one, PASSES)
    failed(one, 2)
    assert one.allows(None)


def test_a_probe_that_fails_keeps_it_open_for_another_while() -> None:
    clock = Clock()
    one = breaker(clock)
    failed(one, 3)
    clock.now += 30
    answered(one, PASSES - 1)
    failed(one, 1)
    assert one.wait(None) == 30
    clock.now += 30
    assert one.began(None) and not one.allows(None)  # the passes are counted anew


def test_a_probe_from_which_nothing_was_learnt_lets_the_next_try() -> None:
    clock = Clock()
    one = breaker(clock)
    failed(one, 3)
    clock.now += 30
    one.ended(one.began(None))
    assert one.allows(None)


def test_a_probe_that_is_refused_shows_that_the_target_is_up() -> None:
    clock = Clock()
    one = breaker(clock)
    failed(one, 3)
    clock.now += 30
    for _ in range(PASSES):
        probe = one.began(None)
        assert probe is not None
        one.passed(probe)
        one.ended(probe)
    assert one.began(None) is None and one.allows(None)


def test_attempts_from_before_the_cooldown_neither_lengthen_nor_end_it() -> None:
    clock = Clock()
    one = breaker(clock)
    old = [one.began(None) for _ in range(10)]
    failed(one, 3)
    clock.now += 10
    for probe in old:
        one.answered(None, probe)
        one.failed(None, probe, answered=True)
        one.ended(probe)
    assert one.wait(None) == 20


# ---- keys
def test_a_key_whose_requests_alone_fail_is_paused_alone() -> None:
    one = breaker(Clock())
    answered(one, 5, "two")
    failed(one, 100, "one")
    assert not one.allows("one") and one.blames("one")
    assert one.allows("two") and one.allows("three") and not one.blames("two")
    assert one.opens_in() == 0 and list(one.paused()) == ["one"]


def test_a_target_that_fails_two_keys_is_left_alone_by_all() -> None:
    one = breaker(Clock())
    answered(one, 2, "three")
    failed(one, 3, "one")
    assert one.allows("two")
    failed(one, 3, "two")
    for key in ("one", "two", "three", "never seen"):
        assert one.wait(key) == 30 and not one.blames(key)
    assert one.opens_in() == 30 and list(one.paused()) == []


def test_many_keys_with_a_failure_each_are_an_outage_too() -> None:
    one = breaker(Clock())
    for number in range(4):
        failed(one, 1, f"key {number}")
    assert not one.allows("another")


def test_a_key_that_is_alone_at_the_target_is_not_blamed() -> None:
    one = breaker(Clock())
    failed(one, 3, "one")
    assert not one.allows("one") and not one.blames("one") and one.opens_in() == 30


def test_after_an_outage_each_key_probes_for_itself_but_only_a_few_at_once() -> None:
    clock = Clock()
    one = breaker(clock)
    failed(one, 3, "one")
    failed(one, 3, "two")
    clock.now += 30
    probes = []
    for number in range(MAX_PROBING_KEYS):
        assert one.allows(f"key {number}")
        probes.append(one.began(f"key {number}"))
    assert all(probes) and one.wait("another") == PROBE_WAIT
    for number, probe in enumerate(probes):
        one.failed(f"key {number}", probe, answered=False)
        one.ended(probe)
    assert one.wait("key 0") == 30
    assert one.wait("another") == 30  # more than `failures` of other keys than the worst


def test_a_slow_probe_of_one_key_keeps_no_other_key_out() -> None:
    """Otherwise a key that closed the target could keep it closed, with the one probe that is allowed."""
    clock = Clock()
    one = breaker(clock)
    failed(one, 3, "one")
    failed(one, 3, "two")
    for _ in range(10):
        clock.now += 30
        slow = one.began("one")
        assert one.allows("three")
        answered(one, 1, "three")
        one.failed("one", slow, answered=False)
        one.ended(slow)
    assert one.allows("three") and one.began("three") is None
    assert one.allows("never seen") and not one.allows("one")


def test_old_failures_of_others_do_not_bring_an_outage_back() -> None:
    clock = Clock()
    one = breaker(clock)
    for key in ("one", "two", "three"):
        failed(one, 3, key)
    clock.now += 30
    answered(one, PASSES, "one")
    failed(one, 1, "one")
    assert one.allows("one")


@given(st.integers(0, 10**6))
def test_no_key_by_itself_closes_a_target_for_another(seed: int) -> None:
    """A key sends anything at any time, and some of it is answered. The others' requests, which fail sometimes,
    continue.
    """
    draw = random.Random(seed)
    clock = Clock()
    one = breaker(clock, failures=5)
    running: list[object] = []
    refused: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for _ in range(600):
        clock.now += draw.expovariate(5)
        if draw.random() < 0.6:
            key, fails = "attacker", draw.random() < 0.9
        else:
            key = draw.choice(["two", "three", "four"])
            asked[key] += 1
            fails = asked[key] % 12 == 0
        if not one.allows(key):
            refused[key] += 1
        elif key == "attacker" and draw.random() < 0.3:
            running.append(one.began(key))  # slow ones, which all time out together
        else:
            tried(one, key, failed=fails, answered=draw.random() < 0.3)
        if len(running) > 30:
            for probe in running:
                one.failed("attacker", probe, answered=False)  # type: ignore[arg-type]
                one.ended(probe)  # type: ignore[arg-type]
            running.clear()
    assert set(refused) <= {"attacker"}
    assert one.allows("never seen")


@given(st.integers(0, 10**6), st.integers(2, 8))
def test_an_outage_is_noticed_whoever_asks_and_ends_when_the_target_is_well(seed: int, keys: int) -> None:
    draw = random.Random(seed)
    clock = Clock()
    one = breaker(clock, failures=5)
    names = [f"key {number}" for number in range(keys)]
    for _ in range(500):
        answered(one, 1, draw.choice(names))
        clock.now += 0.1
    calls = 0
    for _ in range(1500):  # five minutes without an answer
        key = draw.choice(names)
        if one.allows(key):
            calls += 1
            tried(one, key, failed=True)
        clock.now += 0.2
    assert calls < 400
    clock.now += 30
    for _ in range(PASSES):
        for key in names:
            assert one.allows(key)
            tried(one, key, failed=False)
    assert all(one.allows(key) for key in [*names, "never seen"])


@pytest.mark.parametrize("outage", [False, True])
def test_keys_do_not_fill_the_memory(outage: bool) -> None:
    clock = Clock()
    one = breaker(clock)
    failed(one, 3, "one")
    if outage:
        failed(one, 3, "two")
    for number in range(10_000):
        one.wait(f"key {number}")
        answered(one, 1, f"key {number}")
        clock.now += 0.001
    assert len(one._circuits) <= MAX_KEYS
    assert not one.allows("one")  # open circuits are the last to be forgotten
