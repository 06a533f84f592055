"""Connections from clients: the ones closed for others, the rejected ones, and the log."""

import logging
import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.access import connections
from proxy.access.connections import FEWEST, MADE_FREE, RESERVE, Connections, allowed


class Connection:
    """A connection that closes as soon as it is told to. `busy` means that it has data left to send."""

    def __init__(self, among: Connections, busy: bool = False) -> None:
        self.among = among
        self.busy = busy
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True

    def idle(self) -> bool:
        return not self.busy


def opened(among: Connections, count: int) -> list[Connection]:
    made = [Connection(among) for _ in range(count)]
    for one in made:
        assert among.opened(one)
    return made


def test_the_one_that_has_waited_longest_makes_room() -> None:
    among = Connections(3)
    first, second, third = opened(among, 3)
    among.receives(first)
    among.works(first)
    among.waits(first)  # its request was answered just now
    opened(among, 1)
    assert [one.aborted for one in (first, second, third)] == [False, True, False]
    assert (len(among), among.closed, among.refused) == (3, 1, 0)


def test_one_at_work_is_left_alone_and_a_new_one_refused_when_all_are() -> None:
    among = Connections(2)
    working = opened(among, 2)
    for one in working:
        among.receives(one)
        among.works(one)
    new = Connection(among)
    assert not among.opened(new)
    assert not any(one.aborted for one in working) and (among.closed, among.refused) == (0, 1)
    another = Connection(among)
    assert not among.opened(another)
    assert new.aborted  # it lingers no longer than that
    among.gone(working[0])
    assert among.opened(Connection(among))


def test_where_none_has_waited_for_long_the_slowest_requests_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many slow bodies must not cost new connections the time to ask."""
    now = 100.0
    monkeypatch.setattr(connections.time, "monotonic", lambda: now)
    among = Connections(4)
    slow, slower, fresh, working = opened(among, 4)
    for one in (slower, slow, working):
        among.receives(one)
    among.works(working)
    among.waits(fresh)
    now += 2
    among.receives(fresh)
    new = opened(among, 2)
    assert [one.aborted for one in (slow, slower, fresh, working)] == [True, True, False, False]
    now += 2
    opened(among, 2)
    assert [one.aborted for one in (*new, fresh)] == [True, True, False]


def test_one_with_something_left_to_send_stays_if_another_can_go() -> None:
    among = Connections(2)
    sending, idle = Connection(among, busy=True), Connection(among)
    assert among.opened(sending) and among.opened(idle)
    opened(among, 1)
    assert (sending.aborted, idle.aborted) == (False, True)


def test_one_that_was_told_to_go_comes_back_to_no_list() -> None:
    among = Connections(1)
    [first] = opened(among, 1)
    opened(among, 1)
    among.waits(first)  # its response's last bytes went just then
    opened(among, 1)
    assert among.closed == 2
    among.gone(first)
    among.waits(first)
    assert first not in among._waiting and len(among._all) == 2


@settings(max_examples=200, derandomize=True)
@given(
    st.lists(st.tuples(st.sampled_from(["open", "receive", "work", "wait", "gone"]), st.integers(0, 9)), max_size=60)
)
def test_there_are_never_more_than_may_be_but_for_those_being_refused(steps: list[tuple[str, int]]) -> None:
    among, alive = Connections(4), list[Connection]()
    refused: set[Connection] = set()
    for step, number in steps:
        if step == "open":
            new = Connection(among)
            if not among.opened(new):
                refused.add(new)
            alive.append(new)
        elif alive:
            one = alive[number % len(alive)]
            match step:
                case "receive" if one not in refused:
                    among.receives(one)
                case "work" if one not in refused:
                    among.works(one)
                case "wait":
                    among.waits(one)
                case "gone":
                    among.gone(one)
                    alive.remove(one)
        there = [one for one in alive if not one.aborted and one not in refused]
        assert len(there) <= 4
        assert len(among) == len([one for one in alive if not one.aborted]) <= 5
        assert not among._waiting.keys() & among._receiving.keys()
        assert {*among._waiting, *among._receiving} <= set(alive)
    for one in alive:
        among.gone(one)
    assert not among._all and not among._waiting and not among._receiving and not among._leaving


# ---- log lines
def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_it_is_told_once_when_room_is_short_and_once_when_there_is_room(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "sluice")
    monkeypatch.setattr(connections, "CALM", 0.0)
    among = Connections(10)
    alive = opened(among, 30)
    among.look()
    [told] = lines(caplog)
    assert "the 10 that the limit of open files leaves" in told and "ulimit -n" in told
    for one in alive:
        among.gone(one)
    among.look()
    among.look()
    assert lines(caplog)[1:] == ["connections: the shortage is over, 20 idle ones were closed and 0 new ones rejected"]
    opened(among, 11)
    assert len(lines(caplog)) == 3


# ---- descriptors
@contextmanager
def no_descriptor_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        highest = os.open(os.devnull, os.O_RDONLY)
        stack.callback(os.close, highest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with pytest.raises(OSError):
            while True:
                stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        yield


def test_where_the_system_has_no_descriptor_left_idle_connections_are_closed(caplog: pytest.LogCaptureFixture) -> None:
    among = Connections(1000)
    alive = opened(among, MADE_FREE + 5)
    with no_descriptor_left():
        among.look()
        among.look()
    assert [one.aborted for one in alive] == [True] * (MADE_FREE + 5)
    [told] = lines(caplog)
    assert "no file descriptor left" in told


@pytest.mark.parametrize(
    ("limit", "streams", "connections"),
    [
        (256, 2000, (256 - RESERVE) // 2),
        (1024, 2000, (1024 - RESERVE) // 2),
        (2**20, 2000, 9000),
        (2**20, 10, 1040),
        (70, 2000, FEWEST),
    ],
)
def test_half_of_the_descriptors_are_for_clients(
    monkeypatch: pytest.MonkeyPatch, limit: int, streams: int, connections: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda what: (limit, limit))
    assert allowed(streams) == connections
