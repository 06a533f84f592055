"""The circuit breaker."""

from proxy.config.models import Cooldown
from proxy.routing.breaker import Breaker
from tests.proxy.routing.places import Clock


def breaker(clock: Clock, failures: int = 3) -> Breaker:
    return Breaker(Cooldown(failures=failures, seconds=30), clock)


def failed(one: Breaker, times: int) -> None:
    for _ in range(times):
        one.began()
        one.failed()
        one.let_go()


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    one = breaker(Clock())
    failed(one, 2)
    assert one.allows() and one.failures == 2
    failed(one, 1)
    assert not one.allows() and one.opens_in() == 30


def test_a_success_between_them_starts_the_count_again() -> None:
    one = breaker(Clock())
    failed(one, 2)
    one.began()
    one.succeeded()
    failed(one, 2)
    assert one.allows()


def test_answers_that_break_off_open_it_too() -> None:
    one = breaker(Clock())
    for _ in range(3):
        one.began()
        one.answered()
        one.failed()
    assert not one.allows()


def test_after_the_cooldown_one_request_may_try() -> None:
    clock = Clock()
    one = breaker(clock)
    failed(one, 3)
    clock.now += 30
    assert one.allows()
    one.began()
    assert not one.allows() and one.opens_in() == 30


def test_a_probe_that_succeeds_closes_it() -> None:
    clock = Clock()
    one = breaker(clock)
    failed(one, 3)
    clock.now += 30
    one.began()
    one.answered()
    assert one.allows()
    failed(one, 2)
    assert one.allows()


def test_a_probe_that_fails_keeps_it_open_for_another_while() -> None:
    clock = Clock()
    one = breaker(clock)
    failed(one, 3)
    clock.now += 30
    failed(one, 1)
    assert one.opens_in() == 30


def test_a_probe_from_which_nothing_was_learnt_lets_the_next_try() -> None:
    clock = Clock()
    one = breaker(clock)
    failed(one, 3)
    clock.now += 30
    one.began()
    one.let_go()
    assert one.allows()
