"""Output of a text: raw text, labels for matches, and the limit of held text.

Positions only grow. `emitted` is the end of the processed text. `covered` is the end of the text covered by labels: the
label of a match that starts before it has already been sent. `limit` is the start of the text held for the block lane.
Nothing from there on is sent.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from policies.redact.held import Held
from policies.redact.rules import Rule
from policies.redact.scanner import Found, Scanner

OVERFLOW_LABEL: Final = "[REDACTED]"

Relabel = Callable[[Rule, str], str]
"""Makes the label of a match whose rule has no fixed one, from the raw matched text."""


class Emitter(Held):
    """The output of a text.

    `verbatim` is true while raw text is sent as it stands in the held text. `waiting` are finished matches after the
    limit.
    """

    __slots__ = ("_over", "_relabel", "_rules", "covered", "emitted", "verbatim", "waiting")

    def __init__(self, rules: Sequence[Rule], relabel: Relabel) -> None:
        super().__init__()
        self.verbatim = True
        self.emitted = 0
        self.covered = 0
        self._rules = rules
        self._relabel = relabel
        self.waiting: deque[Found] = deque()
        self._over = -1

    def raw(self, start: int, end: int) -> str:
        """Return the text between two positions as it is sent unredacted."""
        return self.between(start, end)

    def spell(self, label: str) -> str:
        """Return a label as it is sent."""
        return label

    def emit(self, out: list[str], scanner: Scanner, limit: int) -> None:
        """Send everything that is certain."""
        queue = self.waiting
        if scanner.found:
            queue.extend(scanner.found)
            scanner.found.clear()
        while queue and queue[0].start < limit:
            self._finish(queue.popleft(), out)
        if queue:
            self.release(limit, out)
            return
        hold = scanner.held_from()
        self.release(min(hold, limit), out)
        if hold < limit:
            best = scanner.sure()
            if best is not None:
                self._certain(hold, best, out)

    def release(self, upto: int, out: list[str]) -> None:
        """Send raw text up to a position."""
        if upto > self.emitted:
            out.append(self.raw(self.emitted, upto))
            self.emitted = upto

    def replace_held(self, out: list[str], scanner: Scanner | None, position: int) -> None:
        """Replace all held text by one label, because it exceeds the limit."""
        labelled = scanner is not None and scanner.held_from() < min(self.covered, position)
        if not labelled and self.emitted != self._over:
            out.append(self.spell(OVERFLOW_LABEL))
        self.emitted = self.covered = self._over = position
        self.waiting.clear()  # all of them are covered

    def let_go(self, out: list[str], scanner: Scanner | None) -> None:
        """Send the oldest character, or the label of a complete match, because the held text exceeds the limit."""
        best = scanner.best() if scanner is not None else None
        if self.waiting and self.waiting[0].start <= self.emitted:
            self._finish(self.waiting.popleft(), out)
        elif not self.waiting and scanner and best and scanner.held_from() <= self.emitted < best[0]:
            self._finish(Found(scanner.held_from(), *best), out)
        else:
            self.release(self.emitted + 1, out)

    def drop(self, position: int) -> None:
        """Drop all held text."""
        self.emitted = position
        self.clear(position)
        self.waiting.clear()

    def _finish(self, found: Found, out: list[str]) -> None:
        """Send the label of a final match, or the rest of it."""
        start, end, rule = found
        self.release(start, out)
        if end <= self.emitted:
            return
        if start >= self.covered:
            self._label(start, end, self._rules[rule], out)
            self.covered = end
        self.emitted = end

    def _label(self, start: int, end: int, rule: Rule, out: list[str]) -> None:
        if rule.label is not None:
            out.append(self.spell(rule.label))
        elif rule.mask:
            kept = end - rule.keep_last if end - start > rule.keep_last else end
            out.append(self.spell(rule.mask * (kept - self.emitted)))
            out.append(self.raw(max(kept, self.emitted), end))
        elif self.emitted > start:
            out.append(self.spell(OVERFLOW_LABEL))
        else:
            out.append(self.spell(self._relabel(rule, self.between(start, end))))

    def _certain(self, start: int, best: tuple[int, int], out: list[str]) -> None:
        """Handle the first match under way, once its rule and minimum length are certain."""
        end, index = best
        rule = self._rules[index]
        if start < self.covered:
            self.emitted = max(self.emitted, end)
        elif rule.label is not None:
            out.append(self.spell(rule.label))
            self.emitted = self.covered = max(self.emitted, end)
        elif rule.mask and end - rule.keep_last > self.emitted:
            out.append(self.spell(rule.mask * (end - rule.keep_last - self.emitted)))
            self.emitted = end - rule.keep_last
