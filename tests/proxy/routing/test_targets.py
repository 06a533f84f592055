"""The process's state of its targets."""

from proxy.config.models import Retries, Server, Target
from proxy.routing import targets as module
from tests.proxy.routing.places import Clock, place, targets


def test_a_target_has_one_state_whoever_asks() -> None:
    known = targets(Clock())
    assert known.health(place("openai/a")) is known.health(place("openai/a"))
    assert known.health(place("openai/a")) is not known.health(place("openai/b"))
    assert known.budget("openai", "one") is known.budget("openai", "one")
    assert known.budget("openai", "one") is not known.budget("openai", "two")
    assert [name for name, _ in known.seen()] == ["openai/a", "openai/b"]


def test_only_a_target_with_a_limit_has_slots() -> None:
    known = targets(Clock())
    limited = known.health(place("a/b", Target(target="a/b", max_streams=3)))
    assert limited.slots is not None and limited.slots.most == 3
    assert known.health(place("a/c")).slots is None


def test_a_limit_that_changes_counts_those_at_work_on() -> None:
    known = targets(Clock())
    one, two = (place("a/b", Target(target="a/b", max_streams=most)) for most in (3, 1))
    slots = known.health(one).slots
    assert slots is not None
    slots.taken = 2
    known.health(place("a/b"))  # another entry, which sets none
    assert known.health(two).slots is slots and (slots.most, slots.taken, slots.free) == (1, 2, False)


def test_names_that_clients_make_up_do_not_fill_the_memory() -> None:
    known = targets(Clock())
    busy = known.health(place("openai/busy"))
    busy.running = 1
    for number in range(module.MAX * 2):
        known.health(place(f"openai/{number}"))
    assert len(known.seen()) <= module.MAX
    assert known.health(place("openai/busy")) is busy


def test_keys_do_not_fill_the_memory_with_budgets() -> None:
    known = targets(Clock())
    for number in range(module.MAX_BUDGETS * 2):
        known.budget("openai", f"key {number}")
    assert len(known._budgets) <= module.MAX_BUDGETS


def test_a_reload_changes_the_limits_of_what_is_known() -> None:
    known = targets(Clock(), budget=0.01)
    limited = place("a/b", Target(target="a/b", max_streams=3))
    health, budget = known.health(limited), known.budget("a", "one")
    while budget.spend():
        pass
    retries = Retries.model_validate({"budget": 1, "cooldown": {"failures": 1, "seconds": 7}})
    known.use(retries, Server(max_queued=0))
    budget.earn()
    assert budget.spend(), "the share is the new one"
    health.breaker.failed("one", None, answered=False)
    assert health.breaker.wait("one") == 7
    assert health.slots is not None and health.slots._queue == 0
    assert known.budget("a", "another").share == 1
