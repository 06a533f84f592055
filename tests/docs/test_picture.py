"""The picture in README.md: the committed file, and the drawing of a recording."""

import re
from xml.etree import ElementTree

import pytest

from scripts.picture import ANSWER, COLUMNS, LABELS, PICTURE, SECRETS, Piece, draw

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str, prefix: str) -> list[str]:
    """Return the text of each piece of one recording as drawn. Spaces at the ends of a run are not drawn."""
    groups = ElementTree.fromstring(svg).iter(f"{SVG}g")
    return [" ".join(group.itertext()) for group in groups if group.attrib["class"].startswith(prefix)]


def squeezed(text: str) -> str:
    return text.replace(" ", "")


def pieces(text: str, size: int) -> list[Piece]:
    return [Piece(at / 10, text[at : at + size]) for at in range(0, len(text), size)]


@pytest.mark.parametrize("size", [1, 4, 50, 1000])
def test_a_drawing_has_each_piece_of_both_recordings(size: int) -> None:
    received = ANSWER
    for secret, label in zip(SECRETS, LABELS, strict=True):
        received = received.replace(secret, label)
    svg = draw(pieces(ANSWER, size), pieces(received, size))
    assert squeezed("".join(texts(svg, "s"))) == squeezed(ANSWER)
    assert squeezed("".join(texts(svg, "r"))) == squeezed(received)


def test_a_row_is_broken_at_a_space_and_is_never_too_long() -> None:
    words = "ab " * 100 + " ".join(SECRETS) + " " + " ".join(LABELS)
    svg = draw(pieces(words, 7), pieces(words, 7))
    for text in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        if "textLength" in text.attrib:
            assert int(text.attrib["x"]) + int(text.attrib["textLength"]) <= 26 + COLUMNS * 11


def test_the_committed_picture_shows_labels_in_place_of_the_secrets() -> None:
    svg = PICTURE.read_text()
    sent, received = squeezed("".join(texts(svg, "s"))), squeezed("".join(texts(svg, "r")))
    assert sent == squeezed(ANSWER)
    assert all(label in received for label in LABELS)
    assert not any(squeezed(secret) in received for secret in SECRETS)


def test_the_committed_picture_is_small_and_stands_by_itself() -> None:
    svg = PICTURE.read_text()
    assert len(svg) < 25_000
    assert re.findall(r"https?:[^\"]*", svg) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"<script|<image|<use|@import|@font-face|url\(", svg)
