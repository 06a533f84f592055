"""The choice of the next target."""

import pytest

from proxy.access.slots import Overloaded
from proxy.config.models import Target
from proxy.config.resolve import ResolvedTarget
from proxy.errors import GatewayError, InvalidRequest, KeyPaused, UpstreamError
from proxy.routing.route import Route, Step
from proxy.routing.targets import Targets
from tests.proxy.routing.places import Clock, place, route, targets

A, B, C = place("one/a"), place("two/b"), place("three/c")
DOWN = UpstreamError("down", provider_status=500)
AUTH = UpstreamError("key", code="provider_auth_error", provider_status=401, cause="key")
BAD = UpstreamError("bad", status=400, provider_status=400, cause="request")


def limited(seconds: float | None) -> UpstreamError:
    return UpstreamError("slow down", status=429, provider_status=429, retry_after=seconds, cause="limit")


def failed(way: Route, step: Step, error: GatewayError) -> Step | None:
    """Report a failed attempt, as the driver does."""
    way.began(step.place)
    way.failed(step.place, error)
    way.ended(step.place)
    return way.after(error)


def walked(way: Route, *errors: GatewayError) -> list[tuple[str, str, float]]:
    """Return the attempts until none is left or the errors are used up."""
    step: Step | None = way.first()
    steps = []
    for error in (*errors, None):
        if step is None:
            break
        steps.append((step.place.model, step.reason, step.wait))
        step = failed(way, step, error) if error else None
    return steps


def test_a_target_alone_is_tried_again_after_longer_and_longer_waits() -> None:
    known = targets(Clock(), attempts=5, cooldown={"failures": 100})
    assert walked(route(known, [A]), *[DOWN] * 9) == [
        ("a", "initial", 0),
        ("a", "retry", 1),
        ("a", "retry", 2),
        ("a", "retry", 4),
        ("a", "retry", 8),
    ]


def test_the_random_part_of_a_wait_is_half_of_it() -> None:
    known = targets(Clock())
    way = Route(route(known, [A]).groups, known, known.retries, draw=lambda: 0.0)
    step = failed(way, way.first(), DOWN)
    assert step is not None and step.wait == 0.5


def test_another_target_takes_over_at_once_then_the_first_is_tried_again() -> None:
    assert walked(route(targets(Clock()), [A, B]), *[DOWN] * 9) == [
        ("a", "initial", 0),
        ("b", "retry", 0),
        ("a", "retry", 2),
    ]


def test_retries_alternate_between_the_targets() -> None:
    known = targets(Clock(), attempts=6, cooldown={"failures": 100})
    tried = [model for model, _, _ in walked(route(known, [A, B]), *[DOWN] * 9)]
    assert tried == ["a", "b"] * 3


def test_a_fallback_comes_when_the_models_attempts_are_spent_and_has_its_own() -> None:
    known = targets(Clock(), attempts=2)
    assert walked(route(known, [A], [B], [C]), *[DOWN] * 9) == [
        ("a", "initial", 0),
        ("a", "retry", 1),
        ("b", "fallback", 0),
        ("b", "retry", 1),
        ("c", "fallback", 0),
        ("c", "retry", 1),
    ]


@pytest.mark.parametrize("error", [AUTH, UpstreamError("?", status=404, cause="model"), Overloaded("full")])
def test_what_a_retry_does_not_mend_goes_to_other_targets_only(error: GatewayError) -> None:
    way = route(targets(Clock(), attempts=1), [A, B], [C])
    assert walked(way, *[error] * 9) == [("a", "initial", 0), ("b", "fallback", 0), ("c", "fallback", 0)]


def test_a_target_that_refused_our_key_is_not_tried_as_a_fallback_either() -> None:
    assert walked(route(targets(Clock()), [A], [A]), AUTH, AUTH) == [("a", "initial", 0)]


@pytest.mark.parametrize("error", [BAD, InvalidRequest("bad")])
def test_a_refusal_of_the_request_is_the_end(error: GatewayError) -> None:
    assert walked(route(targets(Clock()), [A, B], [C]), error) == [("a", "initial", 0)]


def test_a_retry_after_is_waited_for() -> None:
    assert walked(route(targets(Clock()), [A]), limited(5), limited(None)) == [
        ("a", "initial", 0),
        ("a", "retry", 5),
        ("a", "retry", 5),  # what is left of it, on a clock that stands still
    ]


def test_a_retry_after_longer_than_we_wait_leads_to_the_fallback_or_to_the_end() -> None:
    assert walked(route(targets(Clock()), [A], [B]), limited(9)) == [("a", "initial", 0), ("b", "fallback", 0)]
    assert walked(route(targets(Clock()), [A]), limited(9)) == [("a", "initial", 0)]


def test_other_requests_avoid_a_target_whose_provider_asked_for_a_rest() -> None:
    clock = Clock()
    known = targets(clock)
    walked(route(known, [A]), limited(20))
    assert walked(route(known, [A, B])) == [("b", "initial", 0)]
    assert walked(route(known, [A], [B])) == [("b", "fallback", 0)]
    assert walked(route(known, [A])) == [("a", "initial", 0)]  # there is no other
    clock.now += 20
    assert walked(route(known, [A, B])) == [("a", "initial", 0)]


def test_a_rest_is_bounded() -> None:
    clock = Clock()
    known = targets(clock)
    walked(route(known, [A]), limited(3600))
    clock.now += 60
    assert walked(route(known, [A, B])) == [("a", "initial", 0)]


def test_a_target_that_keeps_failing_is_left_alone_until_a_probe_succeeds() -> None:
    clock = Clock()
    known = targets(clock, attempts=1)
    for _ in range(2):
        walked(route(known, [A]), DOWN)
    with pytest.raises(UpstreamError, match="Every target of this model failed lately") as error:
        route(known, [A]).first()
    assert (error.value.status, error.value.code, error.value.retry_after) == (503, "no_target", 30)
    assert walked(route(known, [A], [B])) == [("b", "fallback", 0)]
    clock.now += 30
    probe, other = route(known, [A, B]), route(known, [A, B])
    step = probe.first()
    assert step.place is A
    probe.began(A)
    assert other.first().place is B  # one probe at a time
    probe.answered(A, 0.1)
    probe.ended(A)
    assert route(known, [A, B]).first().place is A


def answers(known: Targets, place: ResolvedTarget, key: str) -> None:
    way = route(known, [place], key=key)
    way.began(place)
    way.answered(place, 0.1)
    way.ended(place)


def test_a_key_that_fails_alone_is_told_so_and_others_go_on() -> None:
    known = targets(Clock(), attempts=1)
    answers(known, A, "two")
    for _ in range(2):
        walked(route(known, [A]), DOWN)
    with pytest.raises(KeyPaused, match="those of other keys were answered") as error:
        route(known, [A]).first()
    assert (error.value.status, error.value.code, error.value.retry_after) == (429, "key_cooldown", 30)
    assert route(known, [A], key="two").first().place is A
    assert route(known, [A, B]).first().place is B  # the key itself goes elsewhere, where there is an elsewhere


def test_a_key_that_began_to_be_paused_while_its_request_waited_goes_elsewhere() -> None:
    known = targets(Clock(), attempts=1)
    answers(known, A, "two")
    waiting = route(known, [A], [B])
    step = waiting.first()
    for _ in range(2):
        walked(route(known, [A]), DOWN)
    with pytest.raises(KeyPaused) as error:
        waiting.check(step.place)
    following = waiting.after(error.value)
    assert following is not None and following.place is B


def test_the_answers_that_a_key_got_count_for_its_share() -> None:
    known = targets(Clock(), attempts=1)
    for _ in range(3):
        answers(known, A, "one")
    for _ in range(2):
        walked(route(known, [A]), DOWN)
    assert route(known, [A]).first().place is A
    walked(route(known, [A]), DOWN)
    assert not known.health(A).breaker.allows("one")


def test_an_answer_that_broke_off_is_no_answer_for_the_share() -> None:
    known = targets(Clock(), attempts=1)
    for _ in range(2):
        way = route(known, [A])
        way.began(A)
        way.answered(A, 0.1)
        way.failed(A, DOWN)
        way.ended(A)
    assert not known.health(A).breaker.allows("one")


def test_a_limit_is_no_failure_of_the_target() -> None:
    known = targets(Clock(), attempts=1)
    for _ in range(9):
        walked(route(known, [A]), limited(None))
    assert route(known, [A]).first().place is A


def test_retries_of_a_provider_are_bounded_by_its_budget() -> None:
    known = targets(Clock(), attempts=2, cooldown={"failures": 10_000}, budget=0.1)
    attempts = sum(len(walked(route(known, [A]), DOWN, DOWN)) for _ in range(1000))
    assert 1000 + 100 <= attempts <= 1000 + 111


def test_another_target_of_the_same_provider_costs_budget_too_and_one_of_another_does_not() -> None:
    twin = place("one/z")
    known = targets(Clock(), attempts=2, cooldown={"failures": 10_000}, budget=0.1)
    attempts = sum(len(walked(route(known, [A, twin]), DOWN, DOWN)) for _ in range(1000))
    assert attempts <= 1000 + 111
    assert sum(len(walked(route(known, [A, B]), DOWN, DOWN)) for _ in range(100)) == 200


def test_the_first_attempt_at_another_provider_earns_a_share_of_a_retry_there() -> None:
    known = targets(Clock(), attempts=2, cooldown={"failures": 10_000}, budget=0.5)
    there = known.budget("two", "one")
    while there.spend():
        pass
    for _ in range(2):
        walked(route(known, [A, B]), DOWN)
    assert there.spend() and not there.spend()


def test_a_second_attempt_at_a_provider_costs_a_retry_also_when_another_provider_came_between() -> None:
    twin = place("one/z")
    known = targets(Clock(), attempts=3, cooldown={"failures": 10_000}, budget=0.1)
    attempts = [model for _ in range(1000) for model, _, _ in walked(route(known, [A, B, twin]), DOWN, DOWN)]
    assert attempts.count("a") + attempts.count("z") <= 1000 + 111
    assert attempts.count("b") >= 1000


def test_what_a_retry_does_not_mend_costs_no_retry() -> None:
    twin = place("one/z")
    known = targets(Clock(), budget=0.01)
    while known.budget("one", "one").spend():
        pass
    assert walked(route(known, [A, twin]), AUTH)[1:] == [("z", "fallback", 0)]


def test_one_key_does_not_use_up_the_retries_of_another() -> None:
    known = targets(Clock(), attempts=2, cooldown={"failures": 10_000}, budget=0.1)
    for _ in range(100):
        walked(route(known, [A], key="one"), DOWN, DOWN)
    assert len(walked(route(known, [A], key="one"), DOWN)) == 1
    assert len(walked(route(known, [A], key="two"), DOWN)) == 2


def test_a_target_without_a_free_slot_comes_behind_the_others() -> None:
    full = place("one/full", Target(target="one/full", max_streams=1))
    known = targets(Clock())
    slots = known.health(full).slots
    assert slots is not None
    slots.taken = 1
    assert walked(route(known, [full, B])) == [("b", "initial", 0)]
    assert walked(route(known, [full])) == [("full", "initial", 0)]  # it waits there


def test_a_rejected_answer_is_asked_for_again_at_the_same_target() -> None:
    way = route(targets(Clock()), [A, B])
    way.first()
    step = way.rejected()
    assert step is not None and (step.place, step.reason, step.wait) == (A, "rejected", 0)


def test_why_a_target_was_chosen_is_told() -> None:
    way = route(targets(Clock()), [A, B])
    first = way.first()
    second = failed(way, first, DOWN)
    assert second is not None and (first.chosen, second.chosen) == ("only", "next")


def test_a_spent_budget_of_one_provider_does_not_hide_the_target_of_another() -> None:
    twin = place("one/z")
    known = targets(Clock(), attempts=2, cooldown={"failures": 10_000}, budget=0.1)
    while known.budget("one", "one").spend():
        pass
    assert walked(route(known, [A, twin, B]), DOWN) == [("a", "initial", 0), ("b", "retry", 0)]
    while known.budget("one", "one").spend():
        pass
    assert walked(route(known, [A], [twin, B]), DOWN)[1:] == [("b", "fallback", 0)]


def test_a_target_that_began_to_cool_down_while_a_request_waited_is_told() -> None:
    clock = Clock()
    known = targets(clock, attempts=1)
    waiting = route(known, [A])
    step = waiting.first()
    waiting.check(step.place)
    for _ in range(2):
        walked(route(known, [A]), DOWN)
    with pytest.raises(UpstreamError, match="left alone for a while") as error:
        waiting.check(step.place)
    assert waiting.after(error.value) is None
    assert route(known, [B]).first().place is B
