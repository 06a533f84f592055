"""Word lists as tries among the nodes: one rule, whatever the number of words.

Rule: the same as the alternation of all words, longest first, in `re`. A trie node goes on before it accepts, which is
that order. With normalisation on, words are normalised as the text is, and a composed letter may also be spelled as
base and mark (both spellings lead to the same node, so the trie stays small).
"""

import re
import unicodedata
from collections.abc import Iterable

from policies.redact.characters import MARKS, decomposed, fold, reads
from policies.redact.nfa import WORD, Kind, Look, Nfa
from policies.redact.syntax import Unsupported


def add_words(
    nfa: Nfa, rule: int, words: Iterable[str], *, normalize: bool, ignore_case: bool, whole_word: bool
) -> int:
    """Add a word list's nodes to the automaton; gives the number of trie nodes."""
    trie = _Trie(nfa, rule, normalize, ignore_case)
    accept = nfa.node(Kind.ACCEPT, rule)
    if whole_word:
        accept = nfa.node(Kind.LOOK, rule, (Look.BOUNDARY, nfa.look(WORD, re.UNICODE)), accept)
    before = len(nfa.kind)
    root = trie.node()
    for word in words:
        letters = spelled(word) if normalize else word
        if not letters:
            raise Unsupported(f"the word {word!r}", "leave out words without a visible character")
        nfa.next[trie.path(root, letters)] = accept
    size = len(nfa.kind) - before
    if whole_word:
        root = nfa.node(Kind.LOOK, rule, (Look.BOUNDARY, nfa.look(WORD, re.UNICODE)), root)
    nfa.starts.append(root)
    return size


def spelled(word: str) -> str:
    """A word as normalised text reads, marks that no composed letter takes in kept as they are."""
    composed = unicodedata.normalize("NFC", word)
    return "".join(ch if ch in MARKS else reads(ch) for ch in composed)


class _Trie:
    def __init__(self, nfa: Nfa, rule: int, normalize: bool, ignore_case: bool) -> None:
        self.nfa = nfa
        self.rule = rule
        self.normalize = normalize
        self.kind = Kind.TRIE_FOLD if ignore_case else Kind.TRIE
        self.letters = nfa.folded_letters if ignore_case else nfa.letters

    def node(self) -> int:
        return self.nfa.node(self.kind, self.rule, {})

    def path(self, node: int, letters: str) -> int:
        for ch in letters:
            node = self._letter(node, ch)
        return node

    def _letter(self, node: int, ch: str) -> int:
        parts = decomposed(ch) if self.normalize else None
        if parts is None:
            return self._edge(node, ch, None)
        target = self._letter(self._letter(node, parts[0]), parts[1])
        return self._edge(node, ch, target)

    def _edge(self, node: int, ch: str, target: int | None) -> int:
        key = fold(ch) if self.kind is Kind.TRIE_FOLD else ch
        self.letters.add(key)
        edges: dict[str, int] = self.nfa.arg[node]
        known = edges.get(key)
        if known is None:
            known = edges[key] = self.node() if target is None else target
        return known
