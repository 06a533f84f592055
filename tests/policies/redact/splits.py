"""All ways to cut a text once, and one character at a time. The output must not depend on the cut."""

from collections.abc import Iterator

from policies.redact import JsonStream, Redactor, Stream


def every_cut(text: str) -> Iterator[list[str]]:
    """Yield the text whole, cut at each place, and one character at a time (with empty chunks between)."""
    yield [text]
    for at in range(1, len(text)):
        yield [text[:at], text[at:]]
    yield [part for ch in text for part in (ch, "")]


def run(stream: Stream | JsonStream, chunks: list[str], natural: bool = True) -> str:
    """Return all output of a stream for these chunks."""
    return "".join([*map(stream.feed, chunks), stream.close(natural)])


def check(redactor: Redactor, text: str, expected: str, *, as_json: bool = False) -> None:
    """Assert that every cut yields `expected`."""
    for chunks in every_cut(text):
        stream = redactor.json_stream() if as_json else redactor.stream()
        assert run(stream, chunks) == expected, chunks
