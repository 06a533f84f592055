"""Word lists among the nodes: one rule, whatever the number of words.

A word list equals the alternation of all words, longest first, in `re`. A node of the trie continues before it accepts,
which is that order.
"""

import re

from policies.redact.nfa import WORD, Kind, Look, Nfa
from policies.redact.wordlist import WordList


def add_words(nfa: Nfa, rule: int, words: WordList, *, whole_word: bool) -> int:
    """Add a word list's node to the automaton. Return the length of its longest word."""
    trie = words.trie
    (nfa.folded_letters if words.ignore_case else nfa.letters).update(trie.letters)
    accept = nfa.node(Kind.ACCEPT, rule)
    if whole_word:
        accept = nfa.node(Kind.LOOK, rule, (Look.BOUNDARY, nfa.look(WORD, re.UNICODE)), accept)
    root = nfa.node(Kind.TRIE_FOLD if words.ignore_case else Kind.TRIE, rule, trie, accept)
    if whole_word:
        root = nfa.node(Kind.LOOK, rule, (Look.BOUNDARY, nfa.look(WORD, re.UNICODE)), root)
    nfa.starts.append(root)
    return len(trie.longest)
