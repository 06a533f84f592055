"""The meter agrees with the tokenizers: the same cut for every chunking."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.token_meter import HOLD, WINDOW, Meter, boundaries, fitting
from proxy.accounting.tokenizers import Basis, TiktokenTokenizer, load
from tests.policies.texts import SAMPLES, cut, odd_texts, texts

BASES: tuple[Basis, ...] = ("o200k_base", "cl100k_base")


def oracle(text: str, tokens: int, tokenizer: TiktokenTokenizer) -> str:
    """Return the first tokens of the whole text, rounded down to a whole character."""
    return text[: tokenizer.cut(text, tokens)]


def metered(pieces: Sequence[str], room: int, basis: Basis) -> tuple[str, bool, int]:
    """Return the text that a meter releases, true if the text was too long, and the maximum of held characters."""
    meter = Meter(room, lambda: load(basis))
    out, held, fed = "", 0, 0
    for piece in pieces:
        out += meter.feed(piece)
        fed += len(piece)
        if meter.over:
            return out, True, held
        assert meter.held == fed - len(out)
        held = max(held, meter.held)
    return out + meter.finish(), meter.over, held


@pytest.mark.parametrize("basis", BASES)
@settings(max_examples=300, deadline=None)
@given(text=texts)
def test_a_boundary_splits_the_tokens_of_every_text(basis: Basis, text: str) -> None:
    tokenizer = load(basis)
    for place in boundaries(text):
        assert tokenizer.count(text) == tokenizer.count(text[:place]) + tokenizer.count(text[place:])


@pytest.mark.parametrize("basis", BASES)
@settings(max_examples=400, deadline=None)
@given(data=st.data(), text=texts, room=st.integers(1, 60))
def test_the_cut_is_the_tokenizers_whatever_the_pieces(basis: Basis, data: st.DataObject, text: str, room: int) -> None:
    whole = metered([text], room, basis)
    out, over, held = metered(data.draw(cut(text)), room, basis)
    assert (out, over) == whole[:2]
    assert text.startswith(out)
    assert held <= HOLD
    if _longest_run(text) <= HOLD:
        assert out == oracle(text, room, load(basis))
        assert over == (load(basis).count(text) > room)


def test_the_tokens_are_those_of_the_whole_text_also_where_the_cut_one_alone_has_more() -> None:
    tokenizer = load("o200k_base")
    assert tokenizer.count("well I'") == 3
    for text in ("well I'LL", "well I'LL go"):
        for pieces in ([text], list(text)):
            assert metered(pieces, 2, "o200k_base")[:2] == ("well I'", True)


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("text", SAMPLES)
def test_every_room_and_piece_by_piece(text: str, basis: Basis) -> None:
    tokenizer = load(basis)
    for room in range(1, tokenizer.count(text) + 2):
        expected = oracle(text, room, tokenizer)
        for size in (1, 7, len(text)):
            out, over, _ = metered([text[i : i + size] for i in range(0, len(text), size)], room, basis)
            assert (out, over) == (expected, tokenizer.count(text) > room)


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("text", SAMPLES)
@pytest.mark.parametrize("room", [1, 8, 23])
def test_what_is_held_at_any_time_does_not_depend_on_the_pieces(text: str, room: int, basis: Basis) -> None:
    slow, out = Meter(room, lambda: load(basis)), ""
    for place, character in enumerate(text):
        out += slow.feed(character)
        fast = Meter(room, lambda: load(basis))
        assert (fast.feed(text[: place + 1]), fast.over) == (out, slow.over)


@pytest.mark.parametrize("character", ["a", " ", "中", "😀", "\n", "ก"])
@pytest.mark.parametrize("room", [1, 10, 100])
def test_a_long_run_is_cut_alike_for_every_chunking(character: str, room: int) -> None:
    text = character * 1000 + " end"
    expected = metered([text], room, "o200k_base")[:2]
    for size in (1, 3, 100):
        out, over, held = metered([text[i : i + size] for i in range(0, len(text), size)], room, "o200k_base")
        assert (out, over) == expected
        assert held <= HOLD
    assert len(expected[0]) >= room // 4


def test_a_long_text_is_counted_in_windows() -> None:
    text = "".join(SAMPLES) * 60
    tokenizer = load("o200k_base")
    room = tokenizer.count(text) - 5
    for size in (1, 11, 512):
        out, over, _ = metered([text[i : i + size] for i in range(0, len(text), size)], room, "o200k_base")
        assert over
        assert out == oracle(text, room, tokenizer)


def test_the_tokenizer_is_not_wanted_while_bytes_are_fewer_than_tokens() -> None:
    def never() -> TiktokenTokenizer:
        raise AssertionError("loaded")

    meter = Meter(1000, never)
    assert "".join(meter.feed("ten bytes ") for _ in range(100)) == "ten bytes " * 100
    assert meter.finish() == ""


def test_memory_is_bounded() -> None:
    meter = Meter(10**9, lambda: load("cl100k_base"))
    for _ in range(2000):
        meter.feed("twenty bytes a time.")
    assert sum(map(len, meter._open)) <= WINDOW + 20


CJK = "的一是在不了有和人這中大為上個國我以要他時來用們生到作地於出就分對成會可主發年動同工也能下過子說"
PHRASES = ("客戶資料", "王小明的", "身分證", "给主人留下些什么吧", "ありがとう", "안녕하세요")


@pytest.mark.parametrize("basis", BASES)
@settings(max_examples=300, deadline=None)
@given(
    text=st.text(st.sampled_from(CJK), min_size=1, max_size=20)
    | st.lists(
        st.sampled_from(PHRASES),
        max_size=6,
    ).map("".join),
    rest=st.text(st.sampled_from(CJK + "Aab ，。1")),
    lead=st.sampled_from(("", " ", "，", ":", "(")),
    room=st.integers(1, 12),
)
def test_what_is_settled_stays(basis: Basis, text: str, rest: str, lead: str, room: int) -> None:
    tokenizer = load(basis)
    settled = tokenizer.settled(lead + text, room)
    if settled is not None:
        assert settled == tokenizer.cut(lead + text + rest, room)
        assert tokenizer.count(lead + text) > room


@pytest.mark.parametrize("basis", BASES)
def test_chinese_is_cut_soon_behind_the_cap(basis: Basis) -> None:
    text, tokenizer = "王小明的身分證字號是由政府發給的一組號碼用來辨識每一位國民的身分而且終身不變", load(basis)
    for room in range(1, tokenizer.count(text) - 4):
        meter = Meter(room, lambda: tokenizer)
        fed = 0
        while not meter.over:
            meter.feed(text[fed])
            fed += 1
        assert fed - tokenizer.cut(text, room) <= 6


def test_a_text_may_pause_and_hand_on_its_room() -> None:
    tokenizer = load("o200k_base")
    one, two = (Meter(tokenizer.count("one two") + tokenizer.count("three") + 1, lambda: tokenizer) for _ in range(2))
    assert one.feed("one two") + one.pause() == "one two"
    two.resume(one.left)
    assert two.feed("three") + two.pause() == "three"
    one.resume(two.left)
    assert one.feed(" four five") + one.finish() == " four"
    assert one.over


def test_a_long_run_that_pauses_often_is_not_counted_anew_each_time() -> None:
    counted: list[int] = []

    class Counting:
        def count(self, text: str) -> int:
            counted.append(len(text))
            return len(text)

    meter = Meter(10**6, lambda: Counting())  # type: ignore[arg-type, return-value]
    for _ in range(3000):
        assert meter.feed("a") + meter.pause() == "a"
        meter.resume(meter.left)
    assert max(counted) < 300


@settings(max_examples=200, deadline=None)
@given(data=st.data(), text=texts, room=st.integers(1, 60))
def test_pauses_let_all_go_that_is_within_the_room(data: st.DataObject, text: str, room: int) -> None:
    tokenizer = load("o200k_base")
    meter, fed, out = Meter(room, lambda: tokenizer), "", ""
    for piece in data.draw(cut(text)):
        fed += piece
        out += meter.feed(piece) + meter.pause()
        assert fed.startswith(out)
        assert meter.over or (out == fed and meter.left == room - tokenizer.count(fed))
        if meter.over:
            assert _longest_run(fed) > HOLD or tokenizer.count(fed) > room
            break
        meter.resume(meter.left)


@given(text=odd_texts, size=st.integers(0, 80), start=st.integers(0, 10))
def test_fitting_counts_whole_characters(text: str, size: int, start: int) -> None:
    count = fitting(text, start, size)
    rest = text[start:]
    assert len(rest[:count].encode("utf-8", "surrogatepass")) <= size
    assert count == len(rest) or len(rest[: count + 1].encode("utf-8", "surrogatepass")) > size


def _longest_run(text: str) -> int:
    places = [0, *boundaries(text), len(text)]
    return max(b - a for a, b in itertools.pairwise(places))
