"""Pieces add up to the answer, however it is cut."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from proxy.simulator import Answer, ToolUse
from proxy.simulator.pieces import pieces_of

ANSWERS = st.builds(
    Answer,
    text=st.lists(st.text(), min_size=1, max_size=3).map(tuple),
    reasoning=st.text(),
    refusal=st.text(),
    tools=st.lists(st.builds(ToolUse, st.just("f"), st.text()), max_size=3).map(tuple),
    chunk=st.integers(0, 9),
    seed=st.none() | st.integers(0, 99),
)


@given(ANSWERS, st.integers(1, 3), st.booleans())
def test_pieces_add_up_to_each_text_of_each_choice(answer: Answer, choices: int, whole_calls: bool) -> None:
    pieces = pieces_of(answer, choices, whole_calls=whole_calls)
    for choice in range(choices):
        said = {channel: "" for channel in ("reasoning", "content", "refusal")}
        calls = [""] * len(answer.tools)
        for piece in (p for p in pieces if p.choice == choice):
            if piece.channel == "tool":
                calls[piece.tool] += piece.text
            else:
                said[piece.channel] += piece.text
        assert said == {"reasoning": answer.reasoning, "content": answer.text_of(choice), "refusal": answer.refusal}
        assert calls == [tool.arguments for tool in answer.tools]


@given(ANSWERS, st.booleans())
def test_every_call_opens_once_and_every_text_closes_once(answer: Answer, whole_calls: bool) -> None:
    pieces = pieces_of(answer, 1, whole_calls=whole_calls)
    assert [p.tool for p in pieces if p.opens] == list(range(len(answer.tools)))
    texts = [answer.reasoning, answer.text_of(0), answer.refusal]
    assert sum(p.closes for p in pieces) == sum(map(bool, texts)) + len(answer.tools)


@given(ANSWERS)
def test_sizes_are_as_told(answer: Answer) -> None:
    sizes = [len(p.text) for p in pieces_of(answer, 1) if p.channel == "content"]
    if answer.chunk == 0:
        assert len(sizes) <= 1
    elif answer.seed is None:
        assert all(size == answer.chunk for size in sizes[:-1])
    else:
        assert all(1 <= size <= 2 * answer.chunk for size in sizes)
    assert pieces_of(answer, 1) == pieces_of(replace(answer), 1)
