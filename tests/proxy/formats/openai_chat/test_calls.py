"""Tool-call pieces find their call, whatever the server leaves out."""

import json
from typing import Any

import pytest

from policies.events import ToolCall
from proxy.formats.fields import Unreadable
from proxy.formats.openai_chat.calls import Calls


def piece(index: int | None = None, id: str | None = None, name: str | None = None, arguments: Any = None) -> Any:
    function = {"name": name, "arguments": arguments}
    return {"index": index, "id": id, "type": "function", "function": function}


def stream(*chunks: list[Any], guarded: bool = False) -> list[ToolCall]:
    calls = Calls(0, guarded)
    events = [event for pieces in chunks for event in calls.tools(pieces, whole=False)]
    return [*events, *calls.close("length")]  # at `tool_calls` arguments that never came would be added


def joined(events: list[ToolCall]) -> list[tuple[int, str | None, str | None, str]]:
    """(index, id, name, arguments) of each call; None as id where we minted one."""
    found: dict[int, list[Any]] = {}
    for event in events:
        if event.index not in found:
            assert event.id and event.name is not None, "id and name come with the first piece"
            found[event.index] = [None if event.id.startswith("call_") else event.id, event.name, ""]
        else:
            assert event.id is None and event.name is None, "and only there"
        found[event.index][2] += event.arguments
    return [(index, *call) for index, call in found.items()]


A = (0, "a", "f", "{}")
B = (1, "b", "g", "[]")

SERVERS: dict[str, tuple[list[list[Any]], list[Any]]] = {
    "OpenAI": ([[piece(0, "a", "f", "")], [piece(0, arguments="{")], [piece(0, arguments="}")]], [A]),
    "in parallel": (
        [[piece(0, "a", "f", "")], [piece(1, "b", "g", "[")], [piece(0, arguments="{}"), piece(1, arguments="]")]],
        [A, B],
    ),
    "id and name with each piece": ([[piece(0, "a", "f", "{")], [piece(0, "a", "f", "}")]], [A]),
    "counted from one": ([[piece(1, "a", "f", "{}")], [piece(2, "b", "g", "[]")]], [A, B]),
    "counted from one, then not at all": ([[piece(1, "a", "f", "{}")], [piece(None, "b", "g", "[]")]], [A, B]),
    "no index, whole calls": ([[piece(None, "a", "f", "{}")], [piece(None, "b", "g", "[]")]], [A, B]),
    "no index, in one chunk": ([[piece(None, "a", "f", "{}"), piece(None, "b", "g", "[]")]], [A, B]),
    "no index, the id tells": (
        [
            [piece(None, "a", "f", "{"), piece(None, "b", "g", "[")],
            [piece(None, "a", None, "}")],
            [piece(None, "b", None, "]")],
        ],
        [A, B],
    ),
    "no index, no id, a name begins a call": (
        [[piece(None, None, "f", "{")], [piece(None, None, None, "}")], [piece(None, None, "g", "[]")]],
        [(0, None, "f", "{}"), (1, None, "g", "[]")],
    ),
    "an index only at first": (
        [[piece(3, "a", "f", "{")], [piece(None, "a", None, "}")], [piece(None, "b", "g", "[]")]],
        [A, B],
    ),
    "arguments as an object": ([[piece(0, "a", "f", {"x": [1, "é"]})]], [(0, "a", "f", '{"x":[1,"é"]}')]),
    "no arguments": ([[piece(0, "a", "f", None)], [{"index": 0}], [piece(0, None, None, "")]], [(0, "a", "f", "")]),
    "no name": ([[{"index": 0, "id": "a"}]], [(0, "a", "", "")]),
    "one index for all calls": ([[piece(0, "a", "f", "{}")], [piece(0, "b", "g", "[]")]], [A, B]),
    "one index, one function, whole calls": (
        [[piece(0, "a", "f", '{"x":1}')], [piece(0, "b", "f", '{"x":1}')]],
        [(0, "a", "f", '{"x":1}'), (1, "b", "f", '{"x":1}')],
    ),
    "one index, no id, one function, whole calls": (
        [[piece(0, None, "f", '{"x":1}')], [piece(0, None, "f", '{"x":2}')]],
        [(0, None, "f", '{"x":1}'), (1, None, "f", '{"x":2}')],
    ),
    "one id for all calls": ([[piece(0, "a", "f", "{}")], [piece(1, "a", "g", "[]")]], [A, (1, "a", "g", "[]")]),
    "one index, another name": (
        [[piece(0, None, "f", "{}")], [piece(0, None, "g", "[]")]],
        [(0, None, "f", "{}"), (1, None, "g", "[]")],
    ),
    "a late name": ([[piece(0, "a", None, "")], [piece(0, None, "f", "{}")]], [A]),
    "a late name, behind arguments": ([[piece(0, "a", None, "{")], [piece(0, None, "f", "}")]], [A]),
    "late names of two calls": (
        [
            [piece(0, "a"), piece(1, "b")],
            [piece(1, None, "g", "[")],
            [piece(0, None, "f", "{}"), piece(1, arguments="]")],
        ],
        [(0, "b", "g", "[]"), (1, "a", "f", "{}")],
    ),
    "a late id": (
        [[piece(0, None, "f", "{")], [piece(0, "a", None, "}")], [piece(None, "a", None, " ")]],
        [(0, None, "f", "{} ")],
    ),
    "empty and null names and ids": (
        [[piece(0, "a", "f", "")], [piece(0, "", "", "{")], [{"index": 0, "function": {"arguments": "}"}}]],
        [A],
    ),
    "a drifting index": ([[piece(0, "a", "f", "{")], [piece(1, None, None, "}")], [piece(2, "b", "g", "[]")]], [A, B]),
    "a drifting index, the id tells": ([[piece(0, "a", "f", "{")], [piece(1, "a", "f", "}")]], [A]),
    "whole, then id and name once more": ([[piece(0, "a", "f", "{}")], [piece(0, "a", "f", "")]], [A]),
    "no index, the name with each piece": (
        [[piece(None, None, "f", "{")], [piece(None, None, "f", "}")]],
        [(0, None, "f", "{}")],
    ),
    "another id with each piece": (
        [[piece(0, "a", "f", "{")], [piece(0, "x", None, '"a":1')], [piece(0, "y", None, "}")]],
        [(0, "a", "f", '{"a":1}')],
    ),
    "no index, another id with each piece": ([[piece(None, "a", "f", "{")], [piece(None, "x", None, "}")]], [A]),
    "one index, the next call's name is late": (
        [[piece(0, "a", "f", "{}")], [piece(0, "b", None, '{"x":1}')], [piece(0, "b", "g", "")]],
        [A, (1, "b", "g", '{"x":1}')],
    ),
    "the whole arguments once more at the end": (
        [[piece(0, "a", "f", '{"x": ')], [piece(0, None, None, "1}")], [piece(0, None, None, '{"x":1}')]],
        [(0, "a", "f", '{"x": 1}')],
    ),
    "the whole call once more at the end": (
        [[piece(0, "a", "f", '{"x":')], [piece(0, None, None, "1}")], [piece(0, "a", "f", '{"x":1}')]],
        [(0, "a", "f", '{"x":1}')],
    ),
    "one id, one function, equal calls": (
        [[piece(0, "a", "f", '{"x":1}')], [piece(1, "a", "f", '{"x":1}')]],
        [(0, "a", "f", '{"x":1}'), (1, "a", "f", '{"x":1}')],
    ),
    "a brace in a text, at which a piece ends and the next begins": (
        [[piece(0, "a", "f", '{"x":"{}')], [piece(0, None, None, '{}"}')]],
        [(0, "a", "f", '{"x":"{}{}"}')],
    ),
    "a number as text, or with a point": (
        [[piece("0", "a", "f", "{}")], [piece(1.0, "b", "g", "[]")]],  # type: ignore[arg-type]
        [A, B],
    ),
    "no list": ([piece(0, "a", "f", "{}")], [A]),
    "no function object": ([[{"index": 0, "id": "a", "type": "function", "name": "f", "arguments": "{}"}]], [A]),
    "pieces that are none": ([[None, 7, "x", piece(0, "a", "f", "{}")]], [A]),
}


@pytest.mark.parametrize(("chunks", "calls"), SERVERS.values(), ids=SERVERS.keys())
def test_each_servers_pieces_make_the_same_calls(chunks: list[list[Any]], calls: list[Any]) -> None:
    assert joined(stream(*chunks)) == calls


REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")


def test_a_choice_with_calls_ends_with_tool_calls_and_one_without_never_does() -> None:
    none, tool, legacy = Calls(0, False), Calls(0, False), Calls(0, False)
    list(tool.tools([piece(0, "a", "f", "{}")], whole=False))
    list(legacy.legacy({"name": "f", "arguments": "{}"}))
    cut = {"length": "length", "content_filter": "content_filter"}
    assert {reason: none.ending(reason) for reason in REASONS} == dict.fromkeys(REASONS, "stop") | cut
    assert {reason: tool.ending(reason) for reason in REASONS} == dict.fromkeys(REASONS, "tool_calls") | cut
    assert all(legacy.ending(reason) == reason for reason in REASONS)
    assert (none.ending(None), tool.ending(None), legacy.ending(None)) == ("stop", "tool_calls", "function_call")


@pytest.mark.parametrize("arguments", [None, "", " ", "\n"])
@pytest.mark.parametrize("name", ["f", None])
def test_a_call_without_arguments_gets_an_empty_object_at_a_natural_end(arguments: Any, name: Any) -> None:
    calls = Calls(0, False)
    events = [*calls.tools([piece(0, "a", name, arguments)], whole=False), *calls.close("tool_calls")]
    assert json.loads("".join(event.arguments for event in events)) == {}
    cut = Calls(0, False)
    assert "{}" not in [
        e.arguments for e in [*cut.tools([piece(0, "a", name, arguments)], whole=False), *cut.close("length")]
    ]


def test_a_missing_id_is_made_up_and_differs_between_calls() -> None:
    first, second = stream([piece(0, None, "f", "")], [piece(1, "", "f", "")])
    assert first.id and second.id and first.id != second.id


def test_pieces_that_say_nothing_more_are_left_out() -> None:
    assert len(stream([piece(0, "a", "f", "")], [piece(0, "a", "f", "")], [piece(0, None, None, "")])) == 1


def test_a_custom_tool_has_free_text() -> None:
    first = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": "x"}}
    events = stream([first], [{"index": 0, "custom": {"input": "y"}}])
    assert events == [ToolCall(0, 0, "a", "f", "x", "custom"), ToolCall(0, 0, arguments="y", kind="custom")]


def test_further_members_are_extra_and_only_signatures_when_guarded() -> None:
    signed = piece(0, "a", "f", "") | {
        "extra_content": {"google": {"thought_signature": "s", "copy": "text"}},
        "x": None,
    }
    (open_event,), (guarded,) = stream([signed]), stream([signed], guarded=True)
    assert open_event.extra == {"extra_content": {"google": {"thought_signature": "s", "copy": "text"}}}
    assert guarded.extra == {"extra_content": {"google": {"thought_signature": "s"}}}
    assert stream([piece(0, "a", "f", "") | {"copy": "text"}], guarded=True)[0].extra is None


def test_in_a_whole_answer_each_entry_is_a_call() -> None:
    entries = [piece(0, "a", "f", "{}"), piece(0, "a", "g", "[]")]
    calls = list(Calls(0, False).tools(entries, whole=True))
    assert [(call.index, call.id, call.name) for call in calls] == [(0, "a", "f"), (1, "a", "g")]


def test_the_legacy_call_is_counted_with_the_others() -> None:
    calls = Calls(0, False)
    assert not calls
    tool, *_ = calls.tools([piece(0, "a", "f", "{}")], whole=False)
    legacy, *_ = calls.legacy({"name": "g", "arguments": "["})
    (more,) = calls.legacy({"arguments": "]"})
    assert calls
    assert (tool.index, legacy.index, legacy.name, legacy.kind) == (0, 1, "g", "function_call")
    assert more == ToolCall(0, 1, arguments="]", kind="function_call")


def test_more_calls_than_openai_allows_are_unreadable() -> None:
    calls = Calls(0, False)
    assert len(list(calls.tools([piece(None, str(n), "f", "") for n in range(128)], whole=False))) == 128
    with pytest.raises(Unreadable):
        list(calls.tools([piece(None, "more", "f", "")], whole=False))
    with pytest.raises(Unreadable):
        list(calls.legacy({"name": "f"}))
