"""Citations and grounding become annotations with offsets in characters."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.formats.citations import ByteOffsets
from tests.proxy.formats.gemini_events import CHUNKS, answer, citation, said, seen, support


def test_grounding_is_annotations_in_characters_though_the_provider_counts_bytes() -> None:
    text = "Grüße aus 東京. Warm."
    start = len("Grüße aus ".encode())
    supports = [
        support(None, start, 0),
        support(start, start + 7, 0, 1, 2, -1),
        support(0, 10_000, 0),
        support(3, 3, 0),
    ]
    metadata = {"groundingChunks": CHUNKS, "groundingSupports": supports}
    got = seen(*map(said, text), answer(finish="STOP", groundingMetadata=metadata), answer(groundingMetadata=metadata))
    assert got.attached[0, "annotations"] == [
        citation(0, "https://a.example/", "A", 0, 10),
        citation(1, "https://a.example/", "A", 10, 13),
    ]
    assert text[10:13] == "東京."


def test_citations_are_annotations() -> None:
    sources = [{"startIndex": 1, "endIndex": 3, "uri": "https://b.example/", "license": "mit"}, {"endIndex": 2}]
    for name in ("citationSources", "citations"):
        got = seen(said("text"), answer(citationMetadata={name: sources}, finish="STOP"))
        assert got.attached[0, "annotations"] == [citation(0, "https://b.example/", "", 1, 3)]


def test_annotations_are_bounded() -> None:
    supports = [support(0, n, 0) for n in range(1, 5000)]
    got = seen(said("x" * 5000), answer(groundingMetadata={"groundingChunks": CHUNKS, "groundingSupports": supports}))
    assert len(got.attached[0, "annotations"]) == 256


@given(st.lists(st.text(st.characters(), max_size=5)), st.integers(0, 40))
def test_byte_offsets_are_those_of_the_joined_text(pieces: list[str], at: int) -> None:
    offsets, text = ByteOffsets(), "".join(pieces)
    for piece in pieces:
        offsets.add(piece)
    size = len(text[:at].encode("utf-8", "surrogatepass"))
    assert offsets.characters(size) == len(text[:at])
    assert offsets.characters(len(text.encode("utf-8", "surrogatepass")) + 1) is None


def test_byte_offsets_work_across_long_pieces_and_give_up_behind_their_bound() -> None:
    offsets = ByteOffsets()
    offsets.add("é" * 10_000 + "x" * 10_000)
    assert [offsets.characters(n) for n in (2, 16_384, 20_000, 25_000)] == [1, 8192, 10_000, 15_000]
    offsets.add("é" * (1 << 18))
    assert offsets.characters(2) is None
