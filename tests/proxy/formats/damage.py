"""Hypothesis strategies for what a broken provider might send: real events, changed anywhere, and plain rubbish."""

import copy
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tests.proxy.formats.folding import sse

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, -1, 2**63, float("nan"), float("inf"), "\ud800", "", "0"])
    | st.text(st.characters(), max_size=5)
)


def json_values(words: Sequence[str]) -> st.SearchStrategy[Any]:
    """Any JSON value, with the format's own words among its strings and keys."""
    word = st.sampled_from(words)
    return st.recursive(
        _SCALARS | word,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(word | st.text(max_size=3), inner, max_size=4),
        max_leaves=6,
    )


def words_of(value: Any) -> list[str]:
    """All keys and strings in a JSON value."""
    match value:
        case dict():
            return sorted({w for k, v in value.items() for w in [k, *words_of(v)]})
        case list():
            return sorted({w for v in value for w in words_of(v)})
        case str():
            return [value]
    return []


@st.composite
def damaged(draw: st.DrawFn, events: Sequence[Any]) -> list[bytes]:
    """A stream of these events with up to six of them changed, left out, repeated, or replaced by rubbish."""
    stream: list[Any] = [copy.deepcopy(event) for event in events]
    value = json_values(words_of(list(events)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(stream) - 1))
        match draw(st.sampled_from(["change", "change", "change", "drop", "repeat", "rubbish", "bytes"])):
            case "change" if not isinstance(stream[at], bytes):
                stream[at] = _changed(draw, stream[at], value)
            case "drop" if len(stream) > 1:
                del stream[at]
            case "repeat":
                stream.insert(draw(st.integers(0, len(stream))), copy.deepcopy(stream[at]))
            case "rubbish":
                stream.insert(at, draw(value))
            case _:
                whole = stream[at] if isinstance(stream[at], bytes) else sse(stream[at])
                stream[at] = draw(st.binary(max_size=8) | st.just(whole[: draw(st.integers(0, len(whole)))]))
    return [event if isinstance(event, bytes) else sse(event) for event in stream]


def _changed(draw: st.DrawFn, value: Any, replacement: st.SearchStrategy[Any]) -> Any:
    """Somewhere in the value, one member is another or missing."""
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 4)) == 0:
        return draw(replacement)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = draw(st.sampled_from(keys))
    if draw(st.integers(0, 5)) == 0:
        del value[key]
    else:
        value[key] = _changed(draw, value[key], replacement)
    return value
