"""Rules compiled once, for any number of texts: the engine's public face.

Rule: one `Redactor` holds all rules of a chain, in order, because two in a row would rescan each other's labels. It is
shared by all streams of its process and grows its automata as texts need them, within bounds; it is not for use from
several threads at once. A stream's own state is a few numbers and the text it holds.

Lanes: redact rules compete for the text. Block rules, flag rules and redact rules in shadow mode are three lanes more,
each on the raw text; they consume nothing.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from policies.redact.emitter import Emitter, Limits, Relabel
from policies.redact.json_text import JsonStream, SpelledEmitter
from policies.redact.nfa import Nfa
from policies.redact.pseudonyms import Pseudonyms, restoring
from policies.redact.rules import Rule, RuleError, read_rules
from policies.redact.scanner import Lane
from policies.redact.sharing import share_out
from policies.redact.stream import Lanes, Stream
from policies.redact.syntax import MAX_NODES, Parsed, Unsupported, add_pattern
from policies.redact.words import add_words

TRUSTED_NODES: Final = 5_000


class Redactor:
    """Redacts texts by rules written with the YAML's keys. Raises `RuleError` for a rule that cannot be used.

    `sizes` has the number of nodes of each rule: the most characters of it that can be under way at once.
    """

    def __init__(
        self,
        rules: Iterable[Mapping[str, Any]],
        *,
        normalize: bool = True,
        max_hold: int = 1024,
        on_overflow: Literal["closed", "open"] = "closed",
        hash_key: str | bytes = b"",
    ) -> None:
        key = hash_key.encode() if isinstance(hash_key, str) else hash_key
        read = self._read(rules, normalize, key)
        self._begin((*read, *(restoring(r) for r in read if r.action == "pseudonymize")), max_hold, on_overflow)

    @classmethod
    def of(cls, rules: Iterable[Rule], *, max_hold: int, on_overflow: str) -> "Redactor":
        """A redactor of rules already checked."""
        made = cls.__new__(cls)
        made._begin(tuple(rules), max_hold, on_overflow)
        return made

    def apply(self, text: str, pseudonyms: Pseudonyms | None = None) -> str:
        """The whole text redacted at once."""
        stream = self.stream(pseudonyms)
        return stream.feed(text) + stream.close()

    def stream(self, pseudonyms: Pseudonyms | None = None) -> Stream:
        """A new text that comes in chunks."""
        return Stream(self.rules, self._lanes, Emitter(self.rules, self._limits, _labels(pseudonyms)))

    def json_stream(self, pseudonyms: Pseudonyms | None = None) -> JsonStream:
        """A new JSON text that comes in chunks; each string in it is redacted for itself."""
        relabel = _labels(pseudonyms)

        def open_text() -> tuple[Stream, SpelledEmitter]:
            emitter = SpelledEmitter(self.rules, self._limits, relabel)
            return Stream(self.rules, self._lanes, emitter), emitter

        return JsonStream(open_text, self._limits.max_hold)

    def _read(self, rules: Iterable[Mapping[str, Any]], normalize: bool, hash_key: bytes) -> tuple[Rule, ...]:
        return read_rules(rules, normalize=normalize, hash_key=hash_key)

    def _begin(self, rules: tuple[Rule, ...], max_hold: int, on_overflow: str) -> None:
        if max_hold < 1:
            raise RuleError("max_hold", f"the bound {max_hold}", "hold at least one character")
        if on_overflow not in ("closed", "open"):
            raise RuleError("on_overflow", f"the choice {on_overflow!r}", "use closed or open")
        self.rules = rules
        self.sizes: dict[str, int] = {}
        self._limits = Limits(max_hold, on_overflow == "open")
        self._lanes = self._compile()

    def _compile(self) -> Lanes:
        redact: list[int] = []
        block: list[int] = []
        shadow: list[int] = []
        flag: list[int] = []
        for index, rule in enumerate(self.rules):
            if rule.redacts:
                (shadow if rule.shadow else redact).append(index)
            elif rule.action == "block" and not rule.shadow:
                block.append(index)
            else:
                flag.append(index)
        parsed = {i: self._parse(rule) for i, rule in enumerate(self.rules) if rule.pattern is not None}
        reach = max((p.max_width for i, p in parsed.items() if self.rules[i].validator is not None), default=0)
        watched = [self._lane(lane, parsed) for lane in (flag, shadow)]
        return Lanes(
            redact=self._lane(redact, parsed),
            block=self._lane(block, parsed, halts=True),
            watch=tuple(lane for lane in watched if lane is not None),
            reach=reach,
        )

    def _parse(self, rule: Rule) -> Parsed:
        try:
            parsed = Parsed(rule.pattern or "")
        except Unsupported as refused:
            raise RuleError(rule.name, refused.construct, refused.remedy) from None
        if rule.validator is not None and parsed.max_width > self._limits.max_hold:
            raise RuleError(rule.name, f"a checked match of up to {parsed.max_width} characters", "raise max_hold")
        return parsed

    def _lane(self, members: Sequence[int], parsed: Mapping[int, Parsed], *, halts: bool = False) -> Lane | None:
        if not members:
            return None

        def fill(nfa: Nfa, index: int) -> None:
            rule = self.rules[index]
            try:
                self.sizes[rule.name] = _add(nfa, index, rule, parsed.get(index))
            except Unsupported as refused:
                raise RuleError(rule.name, refused.construct, refused.remedy) from None

        return Lane(share_out(members, self.rules, fill), halts=halts)


def _labels(pseudonyms: Pseudonyms | None) -> Relabel:
    """What makes the labels that depend on the match."""
    names = Pseudonyms() if pseudonyms is None else pseudonyms
    return lambda rule, text: _hashed(rule, text) if rule.action == "hash" else names.label(rule, text)


def _hashed(rule: Rule, text: str) -> str:
    digest = hmac.new(rule.hash_key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
    return f"[{rule.name.upper()}:{digest[:12]}]"


def _add(nfa: Nfa, index: int, rule: Rule, parsed: Parsed | None) -> int:
    if parsed is None:
        return add_words(
            nfa,
            index,
            rule.words,
            normalize=rule.normalize,
            ignore_case=rule.ignore_case,
            whole_word=rule.whole_word,
        )
    budget = TRUSTED_NODES if rule.trusted else MAX_NODES
    return add_pattern(nfa, index, parsed, normalize=rule.normalize, budget=budget)
