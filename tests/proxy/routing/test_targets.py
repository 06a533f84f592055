"""What the process remembers of its targets."""

from proxy.config.models import Target
from proxy.routing import targets as module
from tests.proxy.routing.places import Clock, place, targets


def test_a_target_has_one_state_whoever_asks() -> None:
    known = targets(Clock())
    assert known.health(place("openai/a")) is known.health(place("openai/a"))
    assert known.health(place("openai/a")) is not known.health(place("openai/b"))
    assert known.budget("openai") is known.budget("openai")
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
    for number in range(module.MOST * 2):
        known.health(place(f"openai/{number}"))
    assert len(known.seen()) <= module.MOST
    assert known.health(place("openai/busy")) is busy
