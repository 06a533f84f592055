"""Split a text that went to the client into the provider's own text (in time or late) and labels.

The text that arrived is compared with the text that left. Between matches they are equal, and each rule tells its
label's shape. From the point where they cannot be aligned (a cut answer, a label that cannot be predicted), the rest
counts as plain.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from policies.redact.rules import Rule
from proxy.cli.replay import TextTrace

Kind = Literal["plain", "late", "label"]
_MADE = re.compile(r"\[[^\[\]\s]{1,200}\]")


@dataclass(frozen=True, slots=True)
class Taken:
    """A match that was removed: its place in the text that arrived, and its rule."""

    start: int
    end: int
    rule: Rule


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the text that left. `late` means that some of it left at a later step than it arrived."""

    text: str
    kind: Kind


def spans(course: TextTrace, matches: Sequence[Taken]) -> list[Span]:
    """List a text's parts in order. Together they are the whole text that left."""
    found: list[Span] = []
    came = went = 0
    for match in sorted(matches, key=lambda m: m.start):
        if match.start < came:
            continue
        gap = match.start - came
        if course.came[came : match.start] != course.went[went : went + gap]:
            break
        found += _verbatim(course, came, went, gap)
        came, went = match.end, went + gap
        label = _label(course, match, went)
        if label is None:
            return [*found, Span(course.went[went:], "plain")]
        found.append(Span(label, "label"))
        went += len(label)
    same = _same(course.came[came:], course.went[went:])
    found += _verbatim(course, came, went, same)
    rest = course.went[went + same :]
    return [span for span in (*found, Span(rest, "plain")) if span.text]


def _verbatim(course: TextTrace, came: int, went: int, count: int) -> Iterator[Span]:
    """Yield equal text, cut where its lateness changes."""
    begun, kind = 0, None
    for at in range(count):
        here: Kind = "late" if course.left[went + at] > course.arrived[came + at] else "plain"
        if kind is not None and here != kind:
            yield Span(course.went[went + begun : went + at], kind)
            begun = at
        kind = here
    if kind is not None:
        yield Span(course.went[went + begun : went + count], kind)


def _label(course: TextTrace, match: Taken, went: int) -> str | None:
    rule, text = match.rule, course.came[match.start : match.end]
    if rule.label is not None:
        label = rule.label
    elif rule.mask:
        kept = len(text) - rule.keep_last if len(text) > rule.keep_last else len(text)
        label = rule.mask * kept + text[kept:]
    else:
        made = _MADE.match(course.went, went)
        label = made[0] if made else ""
    return label if label and course.went.startswith(label, went) else None


def _same(one: str, other: str) -> int:
    """Return the length of the common prefix of two texts."""
    for at, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return at
    return min(len(one), len(other))
