"""A word list as a trie that needs little more memory than the words' own text.

The words are sorted and stored in blocks, each block one text with many words. No node of the trie is stored. A node is
the first word that begins with the letters taken so far, and their number. Bisection, in C, finds the node to which a
letter leads. The caller that walks the trie caches the result.

A word has one spelling. For a rule that normalizes, it is the normalized text, with a composed letter as its base and
its mark. For a rule that ignores case, letters that differ only by case are one. A letter of the text is spelled in the
same way, so both spellings of a composed letter lead to the same node.

A list may have millions of words. They never exist as objects all at once, and no step blocks the interpreter for long,
because a reload makes the trie while streams run.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Final, NamedTuple

from policies.redact.characters import MARKS, decomposed, fold, reads
from policies.redact.syntax import Unsupported

ROOT: Final = 0

_BLOCK: Final = 32
_SEPARATOR: Final = "\0"
"""Separator between the words of a text. No word contains it, and it sorts before every letter."""
_DEPTH_BITS: Final = 27
_DEPTH: Final = (1 << _DEPTH_BITS) - 1
_LINE_END: Final = re.compile("[\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")
"""The line ends of `str.splitlines`."""
_PIECE: Final = 2**18
"""Number of characters of a text that are made into words at once."""
_SAMPLED: Final = 64
"""One of this many words is sampled to distribute the words."""
_SHOWN: Final = 100


class Step(NamedTuple):
    """A node to which a letter leads. It tells if words continue there, and if one ends there."""

    node: int
    goes_on: bool
    ends: bool


class Trie:
    """The trie of `words`, which arrive sorted and unique, many at a time, in their one spelling.

    After they have arrived, `spelling` has the spelling of each of their letters.
    """

    def __init__(self, words: Iterable[Sequence[str]], spelling: dict[str, str]) -> None:
        self.longest = ""
        self._spelling: Final = spelling
        self._blocks: list[str] = []
        for some in words:
            self._blocks += [_SEPARATOR.join(some[at : at + _BLOCK]) for at in range(0, len(some), _BLOCK)]
            self.longest = max(self.longest, max(some, key=len), key=len)
        self.letters: Final = frozenset(spelling)  # only now: the words fill it
        self.firsts: Final = frozenset(letter for letter in spelling if self.step(ROOT, letter) is not None)
        """The letters with which a word may begin."""

    def step(self, node: int, letter: str) -> Step | None:
        """Return the node to which a letter leads from a node, or None."""
        more = self._spelling.get(letter)
        if more is None:
            return None
        block, at = divmod(node >> _DEPTH_BITS, _BLOCK)
        words = self._words(block)
        key = words[at][: node & _DEPTH] + more
        at = bisect_left(words, key, at)
        if at == len(words):
            block, words, at = self._behind(block, key)
        if not words[at].startswith(key):
            return None
        ends = len(words[at]) == len(key)
        found = block * _BLOCK + at << _DEPTH_BITS | len(key)
        return Step(found, not ends or self._next(block, words, at).startswith(key), ends)

    def _words(self, block: int) -> list[str]:
        """Return the words of a block, followed by an empty word."""
        return self._blocks[block].split(_SEPARATOR) if block < len(self._blocks) else [""]

    def _behind(self, block: int, key: str) -> tuple[int, list[str], int]:
        """Find the first word from `key` on, which is after `block`: its block, that block's words, its
        index in them.
        """
        block = max(bisect_left(self._blocks, key, block + 1) - 1, block)
        words = self._words(block)
        at = bisect_left(words, key)
        return (block, words, at) if at < len(words) else (block + 1, self._words(block + 1), 0)

    def _next(self, block: int, words: Sequence[str], at: int) -> str:
        """Return the word after a place of a block, or a text that begins with it."""
        if at + 1 < len(words):
            return words[at + 1]
        return self._blocks[block + 1] if block + 1 < len(self._blocks) else ""


class WordList:
    """The words of a rule: a list, or a text with one word a line. `key` is the rule's key that they come from."""

    def __init__(self, key: str, source: str | Sequence[str], *, normalize: bool, ignore_case: bool) -> None:
        self.key: Final = key
        self.ignore_case: Final = ignore_case
        self.shown: Sequence[str] = ()
        """Some words as written, available once the trie is made."""
        self._normalize: Final = normalize
        self._source: str | Sequence[str] = source

    @cached_property
    def trie(self) -> Trie:
        """Return the trie, made on first use. The text is then released. Raises `Unsupported` for a word that no text
        can contain.
        """
        spelling = _Spelling(self._normalize, self.ignore_case)
        trie = Trie(_sorted(self._spelled(spelling)), spelling.letters)
        self._source = ""
        return trie

    def _spelled(self, spelling: "_Spelling") -> Iterator[list[str]]:
        """Yield the words in their one spelling, many at a time."""
        for words in _pieces(self._source):
            self.shown = self.shown or words[:_SHOWN]
            joined = _SEPARATOR.join(words)
            if joined.count(_SEPARATOR) >= len(words):
                raise Unsupported("a word with the character U+0000", "leave that character out")
            if self._normalize and not joined.isascii():
                joined = unicodedata.normalize("NFC", joined)
            changed = any(spelling[ord(char)] != char for char in set(joined))  # translation takes ten times as long
            spelled = (joined.translate(spelling) if changed else joined).split(_SEPARATOR)
            if "" in spelled:
                word = words[spelled.index("")]
                raise Unsupported(f"the word {word!r}", "leave out words without a visible character")
            yield spelled


class _Spelling(dict[int, str]):
    """The spelling of words' characters, for `str.translate`. `letters` maps the known letters to their spelling."""

    def __init__(self, normalize: bool, ignore_case: bool) -> None:
        super().__init__({ord(_SEPARATOR): _SEPARATOR})
        self.letters: Final[dict[str, str]] = {}
        self._normalize: Final = normalize
        self._ignore_case: Final = ignore_case

    def __missing__(self, code: int) -> str:
        char = chr(code)
        read = reads(char) if self._normalize and char not in MARKS else char
        spelled = self[code] = "".join(map(self._letter, read))
        return spelled

    def _letter(self, letter: str) -> str:
        key = fold(letter) if self._ignore_case else letter
        known = self.letters.get(key)
        if known is None:
            parts = decomposed(key) if self._normalize else None
            known = self.letters[key] = key if parts is None else "".join(map(self._letter, parts))
        return known


def _pieces(source: str | Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the words as written, many at a time, without empty ones."""
    if not isinstance(source, str):
        yield source
        return
    at = 0
    while at < len(source):
        cut = _LINE_END.search(source, at + _PIECE)
        end = len(source) if cut is None else cut.end()
        words = [word for word in map(str.strip, source[at:end].splitlines()) if word]
        if words:
            yield words
        at = end


def _sorted(pieces: Iterable[Sequence[str]]) -> Iterator[list[str]]:
    """Yield all words of all pieces, sorted and unique, many at a time.

    Each piece is sorted and distributed to buckets of adjacent words. Then each bucket is sorted.
    """
    texts: list[str] = []
    samples: list[str] = []
    for piece in pieces:
        words = sorted(piece)
        samples += words[::_SAMPLED]
        texts.append(_SEPARATOR.join(words))
    samples.sort()
    bounds = samples[:: -(-len(samples) // len(texts))][1:]
    buckets: list[list[str]] = [[] for _ in range(len(bounds) + 1)]
    while texts:
        words = texts.pop().split(_SEPARATOR)
        ends = [bisect_left(words, bound) for bound in bounds]
        for bucket, start, end in zip(buckets, [0, *ends], [*ends, len(words)], strict=True):
            if start < end:
                bucket.append(_SEPARATOR.join(words[start:end]))
    for bucket in filter(None, buckets):
        words = sorted(_SEPARATOR.join(bucket).split(_SEPARATOR))
        bucket.clear()
        yield [word for word, following in pairwise(words) if word != following] + words[-1:]
