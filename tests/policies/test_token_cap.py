"""`token_cap`: exact cuts, room for reasoning, other limits, ends."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from policies.base import Context, Request, Target
from policies.chain import Chain
from policies.events import End, Event, Finish, Note, Text, Tick, ToolCall
from policies.limits import REASONING_ALLOWANCE
from policies.token_cap import TokenCap, TokenCapConfig
from proxy.accounting.tokenizers import load
from tests.policies.texts import SAMPLES, cut

TOKENIZER = load("o200k_base")
WORDS = "one two three four five six seven eight nine ten"


def cap(choices: int = 1, target: Target = Target(), clock: Any = lambda: 0.0, **config: Any) -> TokenCap:  # noqa: B008
    context = Context("m", clock, choices=choices, target=target, tokenizer=lambda: TOKENIZER)
    return TokenCap("token_cap/t", TokenCapConfig(**config), context)


def run(policy: TokenCap, events: Iterable[Event]) -> tuple[Chain, list[Event]]:
    """A chain of the policy alone, and its output."""
    chain = Chain([policy])
    return chain, [out for event in events for out in chain.feed(event)]


def joined(events: Sequence[Event], choice: int = 0, channel: str = "content") -> str:
    return "".join(e.text for e in events if isinstance(e, Text) and (e.choice, e.channel) == (choice, channel))


def finishes(events: Sequence[Event]) -> list[Finish]:
    return [e for e in events if isinstance(e, Finish)]


def contents(*pieces: str, choice: int = 0) -> list[Event]:
    return [Text(choice, "content", piece) for piece in pieces]


@settings(max_examples=150, deadline=None)
@given(data=st.data(), text=st.sampled_from(SAMPLES), most=st.integers(1, 50))
def test_the_cut_is_exact_for_every_chunking(data: st.DataObject, text: str, most: int) -> None:
    chain, out = run(cap(max_tokens=most), [*contents(*data.draw(cut(text))), Finish(0, "stop"), End("natural")])
    over = TOKENIZER.count(text) > most
    assert joined(out) == text[: TOKENIZER.cut(text, most)]
    assert finishes(out) == [Finish(0, "length", "token_cap/t") if over else Finish(0, "stop")]
    assert chain.notes == ([Note("token_cap/t", "stop", "max_tokens", 0)] if over else [])


def test_an_answer_of_exactly_the_cap_ends_by_itself() -> None:
    most = TOKENIZER.count(WORDS)
    _, out = run(cap(max_tokens=most), [*contents(WORDS[:9], WORDS[9:]), Finish(0, "stop")])
    assert (joined(out), finishes(out)) == (WORDS, [Finish(0, "stop")])


def test_it_stops_with_the_first_character_beyond() -> None:
    policy = cap(max_tokens=3)
    _, out = run(policy, contents("one two three"))
    assert finishes(out) == []
    _, out = run(policy, contents(" "))
    assert finishes(out) == [Finish(0, "length", "token_cap/t")]


def test_choices_count_separately() -> None:
    events = [*contents("a b c d e", choice=1), *contents("f g h i", choice=0), *contents(" j", choice=0)]
    _, out = run(cap(2, max_tokens=4), [*events, Finish(0, "stop"), Finish(1, "stop")])
    assert (joined(out, 0), joined(out, 1)) == ("f g h i", "a b c d")
    assert [(f.choice, f.reason) for f in finishes(out)] == [(1, "length"), (0, "length")]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_content_and_arguments_share_the_room(size: int) -> None:
    arguments = '{"city": "Taipei", "unit": "celsius"}'
    pieces = [arguments[i : i + size] for i in range(0, len(arguments), size)]
    calls: list[Event] = [ToolCall(0, 0, "id1", "weather"), *(ToolCall(0, 0, arguments=piece) for piece in pieces)]
    most = TOKENIZER.count("Let me see.") + 4
    _, out = run(cap(max_tokens=most), [*contents("Let me", " see."), *calls, Finish(0, "tool_calls")])
    said = "".join(e.arguments for e in out if isinstance(e, ToolCall))
    assert joined(out) == "Let me see."
    assert said == arguments[: TOKENIZER.cut(arguments, 4)]
    assert out[-1] == Finish(0, "length", "token_cap/t")


def test_a_call_keeps_its_name_while_its_arguments_are_held() -> None:
    _, out = run(cap(max_tokens=1), [ToolCall(0, 0, "id1", "f", "xyz"), Finish(0, "tool_calls")])
    assert [(e.id, e.arguments) for e in out if isinstance(e, ToolCall)] == [("id1", "x"), (None, "yz")]


def test_thoughts_have_a_cap_of_their_own() -> None:
    thoughts: list[Event] = [Text(0, "reasoning", "think of it a while")]
    _, out = run(cap(max_tokens=2), [*thoughts, *contents("one two three four")])
    assert (joined(out, channel="reasoning"), joined(out)) == ("think of it a while", "one two")
    chain, out = run(cap(max_reasoning_tokens=2), [*thoughts, *contents("one two three four")])
    assert (joined(out, channel="reasoning"), joined(out)) == ("think of", "")
    assert chain.notes[0].rule == "max_reasoning_tokens"


def test_chunks_are_counted() -> None:
    for more in ({}, {"max_tokens": 100}):
        _, out = run(cap(max_chunks=2, **more), contents("a", "", "b", "c"))
        assert (joined(out), finishes(out)) == ("ab", [Finish(0, "length", "token_cap/t")])


@pytest.mark.parametrize("end", [Finish(0, "stop"), Tick(8.0)])
def test_nothing_follows_an_end_of_whatever_kind(end: Event) -> None:
    policy = cap(clock=lambda: 5.0, max_seconds=3, max_tokens=100)
    assert joined(run(policy, contents("a", "b"))[1]) == "ab"
    list(policy.feed(end))
    assert [*policy.feed(Text(0, "content", "late"))] == []


def test_seconds_end_every_choice_even_in_silence() -> None:
    now = [5.0]
    policy = cap(2, clock=lambda: now[0], max_seconds=3)
    assert policy.deadline == 8
    _, out = run(policy, [*contents("a"), Tick(7.9)])
    assert finishes(out) == []
    _, out = run(policy, [Tick(8.0)])
    assert [f.choice for f in finishes(out)] == [0, 1]
    assert policy.deadline is None
    assert run(policy, contents("late"))[1] == []


def test_seconds_hold_when_chunks_never_stop() -> None:
    now = [0.0]
    policy = cap(clock=lambda: now[0], max_seconds=1)
    run(policy, contents("a"))
    now[0] = 1.0
    assert run(policy, contents("b"))[1] == [Finish(0, "length", "token_cap/t")]


@pytest.mark.parametrize(
    ("finish", "released"),
    [
        (Finish(0, "stop"), "abc"),
        (Finish(0, "tool_calls"), "abc"),
        (Finish(0, "length"), "abc"),
        (Finish(0, "content_filter"), "a"),
        (Finish(0, "length", "cancel"), "a"),
        (Finish(0, "content_filter", "redact/pii"), "a"),
    ],
)
def test_what_is_held_at_the_end(finish: Finish, released: str) -> None:
    assert TOKENIZER.count("abc") == 1
    _, out = run(cap(max_tokens=1), [*contents("abc"), finish])
    assert (joined(out), out[-1]) == (released, finish)


def test_a_held_end_beyond_the_cap_is_cut() -> None:
    _, out = run(cap(max_tokens=1), [*contents("abcdefgxyz"), Finish(0, "stop")])
    assert joined(out) == "abcdefgxyz"[: TOKENIZER.cut("abcdefgxyz", 1)]
    assert finishes(out) == [Finish(0, "length", "token_cap/t")]


def test_flagging_changes_nothing() -> None:
    events = [*contents(*WORDS), Finish(0, "stop"), End("natural")]
    chain, out = run(cap(max_tokens=3, max_chunks=2, max_seconds=9, on_exceed="flag"), events)
    assert out == events
    assert [note.action for note in chain.notes] == ["flag"]
    assert cap(max_tokens=3, on_exceed="flag").request(Request({"max_tokens": 9})) == Request({"max_tokens": 9})


@pytest.mark.parametrize(
    ("body", "target", "expected"),
    [
        ({}, Target("max_completion_tokens", False, 16_000), {"max_completion_tokens": 50}),
        ({}, Target(), {"max_tokens": 50}),
        ({"max_tokens": 20}, Target(), {"max_tokens": 20}),
        ({"max_tokens": 80, "max_completion_tokens": 40}, Target(), {"max_tokens": 50, "max_completion_tokens": 40}),
        ({}, Target(max_output=30), {"max_tokens": 30}),
        ({}, Target(reasons=True, max_output=64_000), {"max_tokens": 50 + REASONING_ALLOWANCE}),
        ({}, Target(reasons=True, max_output=9000), {"max_tokens": 9000}),
        ({}, Target(reasons=True), {}),
        ({"max_tokens": 90_000}, Target(reasons=True), {"max_tokens": 50 + REASONING_ALLOWANCE}),
        ({"reasoning_effort": "none"}, Target(reasons=True), {"max_tokens": 50}),
        ({"reasoning_effort": "low"}, Target(max_output=64_000), {"max_tokens": 50 + REASONING_ALLOWANCE}),
        ({"thinking": {"type": "disabled"}}, Target(reasons=True), {"max_tokens": 50}),
        ({"thinkingConfig": {"thinkingBudget": 0}}, Target(reasons=True), {"max_tokens": 50}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 40_000}, "max_tokens": 60_000},
            Target(max_output=64_000),
            {"max_tokens": 40_050},
        ),
    ],
)
def test_the_providers_limit(body: dict[str, Any], target: Target, expected: dict[str, int]) -> None:
    lowered = cap(target=target, max_tokens=50).request(Request(body))
    assert lowered == Request({**body, **expected})


@pytest.mark.parametrize(
    "config",
    [
        *(
            {name: value}
            for name in ("max_tokens", "max_chunks", "max_reasoning_tokens")
            for value in (0, -1, True, 1.5)
        ),
        {"max_seconds": 0},
        {"max_seconds": True},
        {"max_seconds": float("inf")},
        {"max_tokens": 5, "on_exceed": "shrug"},
        {"tokens": 5},
        {},
    ],
)
def test_configs_that_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TokenCapConfig(**config)


FIELDS = ("content", "refusal", "reasoning", 0, 1)


def piece(choice: int, field: str | int, text: str) -> Event:
    if isinstance(field, int):
        return ToolCall(choice, field, arguments=text)
    return Text(choice, field, text)  # type: ignore[arg-type]


def texts_of(events: Sequence[Event]) -> dict[tuple[int, str | int], str]:
    found: dict[tuple[int, str | int], str] = {}
    for event in events:
        match event:
            case Text(choice, channel, text):
                found[choice, channel] = found.get((choice, channel), "") + text
            case ToolCall():
                found[event.choice, event.index] = found.get((event.choice, event.index), "") + event.arguments
    return {key: text for key, text in found.items() if text}


@settings(max_examples=300, deadline=None)
@given(
    data=st.data(),
    runs=st.lists(st.tuples(st.integers(0, 1), st.sampled_from(FIELDS), st.sampled_from(SAMPLES)), max_size=6),
    most=st.integers(1, 90),
    thoughts=st.integers(1, 40),
    ends=st.lists(st.sampled_from(("stop", "length", "content_filter")), min_size=2, max_size=2),
)
def test_pieces_of_many_texts_change_nothing(
    data: st.DataObject, runs: list[tuple[int, str | int, str]], most: int, thoughts: int, ends: list[Any]
) -> None:
    finish: list[Event] = [Finish(0, ends[0]), Finish(1, ends[1]), End("natural")]
    cut_up = [piece(c, field, part) for c, field, text in runs for part in data.draw(cut(text))]
    config = {"max_tokens": most, "max_reasoning_tokens": thoughts}
    _, whole = run(cap(2, **config), [piece(*each) for each in runs] + finish)
    _, out = run(cap(2, **config), cut_up + finish)
    assert texts_of(out) == texts_of(whole)
    assert sorted(finishes(out), key=lambda f: f.choice) == sorted(finishes(whole), key=lambda f: f.choice)
    assert len(finishes(out)) == 2
    full = texts_of([piece(*each) for each in runs])
    assert all(full[key].startswith(text) for key, text in texts_of(out).items())


def test_it_tells_how_much_it_holds() -> None:
    policy = cap(max_tokens=5)
    chain, out = run(policy, contents("one two thr", "ee four five"))
    assert policy.held == len("one two three four five") - len(joined(out)) > 0
    assert chain.held() == policy.held
    chain.feed(Finish(0, "stop"))
    assert policy.held == 0
    flagging = cap(max_tokens=5, on_exceed="flag")
    run(flagging, contents("one two thr", "ee four five"))
    assert flagging.held == 0
