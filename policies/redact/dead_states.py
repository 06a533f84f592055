"""Nodes from which no match can be completed, found once when a factor is built.

The analysis uses only what is certain without knowing any character: after a character, the text's start is past, and
after the text's end no character comes. A thread at such a node would hold text for nothing.
"""

from policies.redact.nfa import Kind, Look, Nfa

_TRIES = (Kind.TRIE, Kind.TRIE_FOLD)


def dead_states(nfa: Nfa) -> frozenset[int]:
    """Return the nodes that take a character, or wait for the text's end, but cannot lead to a match."""
    parts = [n for n, kind in enumerate(nfa.kind) if kind not in _TRIES]
    if not any(nfa.kind[n] is Kind.LOOK and nfa.arg[n][0] in (Look.START, Look.END) for n in parts):
        return frozenset()
    at_end = _reach(nfa, parts, ended=True)
    hopeful = _reach(nfa, parts, ended=False, at_end=at_end)
    return frozenset(
        n
        for n in parts
        if (nfa.kind[n] is Kind.CHAR and nfa.next[n] not in hopeful)
        or (nfa.kind[n] is Kind.LOOK and nfa.arg[n][0] is Look.END and n not in hopeful)
    )


def _reach(nfa: Nfa, parts: list[int], *, ended: bool, at_end: frozenset[int] = frozenset()) -> frozenset[int]:
    """Return the nodes that reach an accept after a character. If `ended`, no other character may be taken."""
    reached = {n for n in parts if nfa.kind[n] is Kind.ACCEPT}
    grown = True
    while grown:
        before = len(reached)
        reached.update(n for n in parts if n not in reached and _leads(nfa, n, reached, ended, at_end))
        grown = len(reached) > before
    return frozenset(reached)


def _leads(nfa: Nfa, node: int, reached: set[int], ended: bool, at_end: frozenset[int]) -> bool:
    kind = nfa.kind[node]
    if kind is Kind.SPLIT:
        return any(way in reached for way in nfa.arg[node])
    if kind is Kind.CHAR:
        return not ended and nfa.next[node] in reached
    look = nfa.arg[node][0]
    if look is Look.START:
        return False
    if look is Look.END and not ended:
        return nfa.next[node] in at_end
    return nfa.next[node] in reached
