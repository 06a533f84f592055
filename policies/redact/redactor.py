"""Compiled rules for any number of texts: the engine's public interface.

One `Redactor` holds all rules of a chain, in order, because two in a row would rescan each other's labels. All streams
of its process share it. Its automata grow as texts need them, within limits. It is not thread-safe. A stream's own
state is a few numbers and the held text.

Redact rules compete for the text. Block rules are a separate lane on the raw text. So are the rules that only report
(flags, and all rules in shadow mode), each independent of the others. Neither lane consumes text.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from policies.redact.automaton import Automaton
from policies.redact.cached_states import Places
from policies.redact.characters import normalized
from policies.redact.emitter import Emitter, Relabel
from policies.redact.json_text import JsonStream, SpelledEmitter
from policies.redact.lane import Lane
from policies.redact.nfa import Nfa
from policies.redact.partition import share_out
from policies.redact.pseudonyms import Pseudonyms, restoring
from policies.redact.rules import DEFAULT_HOLD, Rule, RuleError, Shared, blamed, read_rules
from policies.redact.stream import Lanes, Stream
from policies.redact.syntax import MAX_NODES, Parsed, add_pattern
from policies.redact.watcher import WatchLane
from policies.redact.words import add_words

TRUSTED_NODES: Final = 5_000


class Redactor:
    """Redacts texts by rules written with the YAML's keys. The other arguments are defaults for the rules.

    Raises `RuleError` for a rule that cannot be used. `sizes` has the number of nodes of each rule: the maximum number
    of its partial matches at one time.
    """

    def __init__(
        self,
        rules: Iterable[Mapping[str, Any]],
        *,
        normalize: bool = True,
        max_hold: int = DEFAULT_HOLD,
        on_overflow: Literal["closed", "open"] = "closed",
        hash_key: str | bytes = b"",
    ) -> None:
        key = hash_key.encode() if isinstance(hash_key, str) else hash_key
        read = self._read(rules, Shared(normalize, max_hold, on_overflow, key))
        self._begin((*read, *(restoring(r) for r in read if r.gives_placeholders)))

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> "Redactor":
        """Make a redactor of checked rules."""
        made = cls.__new__(cls)
        made._begin(tuple(rules))
        return made

    def apply(self, text: str, pseudonyms: Pseudonyms | None = None) -> str:
        """Redact a whole text at once."""
        stream = self.stream(pseudonyms)
        return stream.feed(text) + stream.close()

    def stream(self, pseudonyms: Pseudonyms | None = None) -> Stream:
        """Open a new text that arrives in chunks."""
        return Stream(self.rules, self._lanes, Emitter(self.rules, _labels(pseudonyms)))

    def json_stream(self, pseudonyms: Pseudonyms | None = None) -> JsonStream:
        """Open a new JSON text that arrives in chunks. Each string in it is redacted separately."""
        relabel = _labels(pseudonyms)

        def open_text() -> tuple[Stream, SpelledEmitter]:
            emitter = SpelledEmitter(self.rules, relabel)
            return Stream(self.rules, self._lanes, emitter), emitter

        return JsonStream(open_text, max((rule.max_hold for rule in self.rules), default=1))

    def _read(self, rules: Iterable[Mapping[str, Any]], shared: Shared) -> tuple[Rule, ...]:
        return read_rules(rules, shared)

    def _begin(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self.sizes: dict[str, int] = {}
        self._lanes = self._compile()

    def _compile(self) -> Lanes:
        members = range(len(self.rules))
        redact = [i for i in members if self.rules[i].holds and self.rules[i].redacts]
        block = [i for i in members if self.rules[i].holds and not self.rules[i].redacts]
        watch = [i for i in members if not self.rules[i].holds]
        parsed = {i: self._parse(rule) for i, rule in enumerate(self.rules) if rule.pattern is not None}
        reach = max((p.max_width for i, p in parsed.items() if self.rules[i].validator is not None), default=0)
        least = min((rule.max_hold for rule in self.rules if rule.holds), default=DEFAULT_HOLD)
        most = max((rule.max_hold for rule in self.rules if rule.holds), default=DEFAULT_HOLD)
        blocks = Lane(self._automata(block, parsed), halts=True) if block else None
        redacts = Lane(self._automata(redact, parsed), most=most) if redact else None
        watches = WatchLane(self._automata(watch, parsed)) if watch else None
        holding = [lane.apart for lane in (blocks, redacts) if lane is not None]
        places = Places([*holding, *([watches.shared] if watches is not None else ())], len(holding), least)
        return Lanes(places, redacts, blocks, watches, reach)

    def _parse(self, rule: Rule) -> Parsed:
        with blamed(rule, "regex"):
            parsed = Parsed(rule.pattern or "")
        if rule.holds and rule.validator is not None and parsed.max_width > rule.max_hold:
            construct = f"a checked match of up to {parsed.max_width} characters"
            raise RuleError(rule.name, construct, "raise max_hold to at least that", "max_hold")
        return parsed

    def _automata(self, members: Sequence[int], parsed: Mapping[int, Parsed]) -> list[Automaton]:
        def fill(nfa: Nfa, index: int) -> None:
            rule = self.rules[index]
            with blamed(rule, "regex" if rule.words is None else rule.words.key):
                self.sizes[rule.name] = _add(nfa, index, rule, parsed.get(index))

        return share_out(members, self.rules, fill)


def _labels(pseudonyms: Pseudonyms | None) -> Relabel:
    """Return the function that makes the labels that depend on the match."""
    names = Pseudonyms() if pseudonyms is None else pseudonyms
    return lambda rule, text: _hashed(rule, text) if rule.action == "hash" else names.label(rule, text)


def _hashed(rule: Rule, text: str) -> str:
    read = normalized(text) if rule.normalize else text
    digest = hmac.new(rule.hash_key, read.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
    return f"[{rule.name.upper()}:{digest[:12]}]"


def _add(nfa: Nfa, index: int, rule: Rule, parsed: Parsed | None) -> int:
    if rule.words is not None:
        return add_words(nfa, index, rule.words, whole_word=rule.whole_word)
    assert parsed is not None
    budget = TRUSTED_NODES if rule.trusted else MAX_NODES
    return add_pattern(nfa, index, parsed, normalize=rule.normalize, budget=budget)
