"""Members that come in pieces, made one as they come: what folding all pieces at the end would give, in less memory."""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxy.formats.folding import OVERHEAD, Folded, listed, written

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text(alphabet='aé"\\\n🙂', max_size=3)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
    max_leaves=5,
)
PIECES = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), max_size=6)


def fold(pieces: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The plain way: keep all pieces, then make them one."""
    found: dict[str, list[Any]] = {}
    for piece in pieces:
        for name, value in piece.items():
            if value is not None:
                found.setdefault(name, []).append(value)
    empty = {name: None for piece in pieces for name in piece if name not in found}
    return {name: join(values) for name, values in found.items()} | empty


def join(values: list[Any]) -> Any:
    kinds = {type(value) for value in values}
    if kinds == {str}:
        return values[0] if len(set(values)) == 1 else "".join(values)
    if kinds == {list}:
        return [item for value in values for item in value]
    if kinds == {dict}:
        return fold(values)
    return values[-1]


def folded(pieces: list[Any]) -> tuple[Any, int]:
    whole = Folded()
    size = sum(whole.add(piece) for piece in pieces)
    text = b"".join(written(whole.members()))
    assert size >= len(text) / 2 - 2, "what it took is counted"
    return json.loads(text), size


@given(PIECES)
def test_pieces_are_folded_as_they_come_as_all_of_them_would_be_at_the_end(pieces: list[Any]) -> None:
    assert folded(pieces)[0] == fold(pieces)


def test_a_label_that_comes_again_and_again_is_counted_before_another_text_makes_it_long() -> None:
    whole = Folded()
    grown = sum(whole.add({"label": "x" * 1000}) for _ in range(50))
    assert grown == 50_000 + OVERHEAD + len("label")
    whole.add({"label": "y"})
    assert json.loads(b"".join(written(whole.members()))) == {"label": "x" * 50_000 + "y"}


def test_of_other_values_the_last_is_all_that_is_held() -> None:
    whole = Folded()
    grown = sum(whole.add({"n": [number] if number == 7 else number}) for number in range(10_000))
    assert grown < OVERHEAD + 10 and json.loads(b"".join(written(whole.members()))) == {"n": 9999}


def test_objects_and_lists_of_nothing_are_written() -> None:
    assert (b"".join(written({})), b"".join(listed([])), b"".join(listed([[b"1"], [b"2"]]))) == (b"{}", b"[]", b"[1,2]")
