"""A compressed body is read a little at a time, whatever it would make of itself."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.http.framing import Malformed
from proxy.providers.http.inflate import Inflate
from tests.proxy.providers.wires import cut


def inflated(inflate: Inflate, pieces: list[bytes], most: int) -> bytes:
    got = b""
    for piece in pieces:
        got += inflate.take(piece, most)
        while inflate.pending:
            more = inflate.take(b"", most)
            assert len(more) <= most
            got += more
    return got


@given(st.data())
def test_a_compressed_body_comes_whole_however_it_is_cut(data: st.DataObject) -> None:
    contents = data.draw(st.lists(st.binary(max_size=40) | st.just(b"x" * 5000), min_size=1, max_size=4))
    coding = data.draw(st.sampled_from(["gzip", "x-gzip", "GZIP"]))
    packed = b"".join(map(gzip.compress, contents))  # several members are one body
    pieces = cut(packed, data.draw(st.lists(st.integers(0, len(packed)), max_size=8)))
    assert inflated(Inflate(coding), pieces, data.draw(st.sampled_from([1, 7, 4096]))) == b"".join(contents)


def test_deflate_is_read_too() -> None:
    assert inflated(Inflate("deflate"), [zlib.compress(b"hello" * 99)], 100) == b"hello" * 99


def test_no_more_is_made_of_a_bomb_than_was_asked_for() -> None:
    packed = gzip.compress(b"\n" * 50_000_000)
    inflate = Inflate("gzip")
    assert len(packed) < 60_000 and len(inflate.take(packed, 16_384)) == 16_384
    assert inflate.pending and len(inflate._rest) < len(packed)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "compress", "", "x" * 100_000])
def test_another_compression_is_refused_and_named(coding: str) -> None:
    with pytest.raises(Malformed) as caught:
        Inflate(coding)
    assert coding[:40] in str(caught.value) and len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "data",
    [b"not compressed", gzip.compress(b"hello", mtime=0)[:-8] + b"wrong sum", b"\x1f\x8b" + b"x" * 50],
    ids=["plain", "sum", "head"],
)
def test_what_is_not_compressed_as_it_says_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        inflated(Inflate("gzip"), [data], 1000)
