"""The soak's provider answers. They repeat the client's own words, and a third of them fail in every way that the
simulator supports.
"""

import random
from collections import Counter

from proxy.simulator import Answer
from proxy.simulator.answers import FaultKind, InjectedFault
from proxy.simulator.asks import Ask

SHARE = 1 / 3
"""Share of calls that fail."""

STATUSES = (400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 504, 529)
WORDS = 40
"""Words of an answer, each a piece or two."""

MAX_PROMPT = 100
"""Maximum number of repeated characters of a prompt. Prompts of attacks have millions."""

SLOW = "slow"
"""A prompt that takes longer than any time limit."""

_EARLY: tuple[FaultKind, ...] = ("stall", "drop", "reset")
_LATE: tuple[FaultKind, ...] = ("stall", "drop", "reset", "error", "eof", "malformed")


class Faults:
    """Answers calls, failing at random. `met` counts the faults by name."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.met: Counter[str] = Counter()

    def answer(self, ask: Ask) -> Answer:
        """Answer one call."""
        draw = self._random
        if ask.prompt == SLOW:
            return Answer("late", head_delay=60)
        fault, name = self._fault() if draw.random() < SHARE else (None, "none")
        self.met[name] += 1
        cut = draw.choice((0, 0, 0, 67))
        return Answer(
            said(ask.prompt[:MAX_PROMPT]),
            chunk=draw.choice((4, 9, 30)),
            seed=draw.choice((None, 1, 2)),
            head_delay=draw.uniform(0, 0.1),
            first_delay=draw.uniform(0, 0.2),
            pace=draw.uniform(0.01, 0.06),
            cut=cut,
            drip=draw.choice((0, 0, 0, 0.002)) if cut else 0,
            fault=fault,
        )

    def _fault(self) -> tuple[InjectedFault, str]:
        draw = self._random
        match draw.choice(("status", "early", "late", "late")):
            case "status":
                status = draw.choice(STATUSES)
                retry_after = draw.choice((None, None, 1)) if status in (429, 503) else None
                return InjectedFault("status", status=status, retry_after=retry_after), str(status)
            case "early":
                kind = draw.choice(_EARLY)
                return InjectedFault(kind), f"{kind} before the head"
            case _:
                kind, after = draw.choice(_LATE), draw.choice((0, 1, 3, 10))
                return InjectedFault(kind, after=after), f"{kind} after {after}"


def said(prompt: str) -> str:
    """Return the answer to a prompt: its words repeated, numbered in letters, with an address to redact."""
    return " ".join(f"{prompt}-{_letters(n)}" + (f" ann{_letters(n)}@example.com" * (n % 7 == 3)) for n in range(WORDS))


def redacted(prompt: str) -> str:
    """Return the answer as it must reach the client."""
    return " ".join(f"{prompt}-{_letters(n)}" + " [EMAIL]" * (n % 7 == 3) for n in range(WORDS))


def _letters(number: int) -> str:
    return chr(97 + number // 26) + chr(97 + number % 26)
