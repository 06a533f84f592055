"""The expected result of redaction, by the simplest method: `re` on the whole text, position by position.

`re` returns a rule's preferred match. When the rule's validator rejects that end, the next preferred match is found by
forbidding the rejected rest of the text.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from policies.redact.characters import reads


@dataclass(frozen=True)
class OracleRule:
    """A rule for the oracle: an equivalent pattern, and the replacement of a match."""

    pattern: str
    label: str
    normalize: bool = True
    validator: Callable[[str], bool] | None = None


class Reading:
    """A normalized text. `text` has its characters, each with its raw position."""

    def __init__(self, raw: str, normalize: bool) -> None:
        shown = [(i, c) for i, ch in enumerate(raw) for c in (reads(ch) if normalize else ch)]
        self.text = "".join(c for _, c in shown)
        self.place = [i for i, _ in shown]

    def around(self, start: int, end: int) -> str:
        """Return a validator's view of a match: whole normalized characters."""
        first, last = self.place[start], self.place[end - 1]
        return "".join(c for c, place in zip(self.text, self.place, strict=True) if first <= place <= last)

    def starts_at(self, position: int) -> list[int]:
        return [i for i, place in enumerate(self.place) if place == position]


def match_end(rule: OracleRule, reading: Reading, start: int) -> int | None:
    """Return the end of the rule's match at `start`."""
    text = reading.text
    refused: list[str] = []
    while True:
        pattern = f"(?:{rule.pattern})" + "".join(rf"(?!{re.escape(rest)}\Z)" for rest in refused)
        found = re.compile(pattern).match(text, start)
        if found is None or rule.validator is None or rule.validator(reading.around(*found.span())):
            return None if found is None else found.end()
        refused.append(text[found.end() :])


def spans(rules: Sequence[OracleRule], raw: str) -> list[tuple[int, int, int]]:
    """Return the matches (start, end, rule): leftmost, then longest, then earliest rule."""
    readings = {flag: Reading(raw, flag) for flag in {rule.normalize for rule in rules}}
    found, position = [], 0
    while position < len(raw):
        best = _best_at(rules, readings, position)
        if best is None:
            position += 1
        else:
            found.append((position, best[0], -best[1]))
            position = best[0]
    return found


def _best_at(rules: Sequence[OracleRule], readings: dict[bool, Reading], position: int) -> tuple[int, int] | None:
    starts = {flag: reading.starts_at(position) for flag, reading in readings.items()}
    for part in range(max(map(len, starts.values()), default=0)):
        ends = []
        for index, rule in enumerate(rules):
            reading = readings[rule.normalize]
            if part >= len(starts[rule.normalize]):
                continue
            end = match_end(rule, reading, starts[rule.normalize][part])
            if end is not None:
                ends.append((reading.place[end - 1] + 1, -index))
        if ends:
            return max(ends)
    return None


def redacted(rules: Sequence[OracleRule], raw: str) -> str:
    """The text with each match replaced."""
    out, position = [], 0
    for start, end, rule in spans(rules, raw):
        out += [raw[position:start], rules[rule].label]
        position = end
    return "".join(out) + raw[position:]


def first_block(rules: Sequence[OracleRule], raw: str) -> tuple[int, int] | None:
    """Return the first position at which a match of some rule, preferred or not, is complete.

    Before it stands the start of the first match that is complete there.
    """
    found = [span for rule in rules for span in _all_spans(rule, Reading(raw, rule.normalize))]
    end = min((end for _, end in found), default=None)
    return None if end is None else (min(start for start, e in found if e == end), end)


def _all_spans(rule: OracleRule, reading: Reading) -> Iterator[tuple[int, int]]:
    """All matches of a rule, preferred or not."""
    text = reading.text
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            forced = re.compile(rf"(?:{rule.pattern})(?={re.escape(text[end:])}\Z)")
            found = forced.match(text, start)
            if found and (rule.validator is None or rule.validator(reading.around(start, end))):
                yield reading.place[start], reading.place[end - 1] + 1


def word_pattern(words: Sequence[str], *, ignore_case: bool, whole_word: bool) -> str:
    """The pattern that a word list means."""
    body = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    body = rf"\b(?:{body})\b" if whole_word else f"(?:{body})"
    return f"(?i:{body})" if ignore_case else body


Spec = dict[str, Any]


def oracle_rule(spec: Spec, validator: Callable[[str], bool] | None = None) -> OracleRule:
    """Convert a rule with the YAML's keys (regex or words, with a fixed label) for the oracle."""
    if "words" in spec:
        pattern = word_pattern(
            spec["words"], ignore_case=spec.get("ignore_case", True), whole_word=spec.get("whole_word", False)
        )
    else:
        pattern = spec["regex"]
    label = spec.get("replace") or f"[{spec['name'].upper()}]"
    return OracleRule(pattern, label, spec.get("normalize", True), validator)
