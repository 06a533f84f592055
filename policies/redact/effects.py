"""Effects of a transition on a lane's slots (see `automaton`). The automaton makes them, and the scanner applies them.

Frequent effects are single objects, compared by identity.
"""

from dataclasses import dataclass
from typing import Final

from policies.redact.factor import BORN


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """The effect of a transition on the slots.

    `sources` are the old slots (or BORN) that remain under way. `accepts` are new matches, (old slot or BORN, rule,
    ended). Old slots after `upto` are discarded with all their matches. `quiet` means no new match. Then `skip` counts
    the first slots that were removed if all others stayed, otherwise it is -1.
    """

    sources: tuple[int, ...] = ()
    accepts: tuple[tuple[int, int, int], ...] = ()
    upto: int = 0
    quiet: bool = False
    skip: int = -1


CLEARED: Final = Effect(quiet=True)
"""No slot is left, and none matched."""
STARTED: Final = Effect()
"""One more slot, and nothing else."""
RESTARTED: Final = Effect((BORN,), quiet=True)
"""Only the slot that starts with this character is left, and none matched."""


def quiet_effect(sources: tuple[int, ...], count: int) -> Effect | None:
    """Return the effect on `count` slots if nothing matches."""
    if not sources:
        return CLEARED if count else None
    born = sources[-1] == BORN
    stayed = sources[:-1] if born else sources
    skip = count - len(stayed)
    if stayed != tuple(range(skip, count)):
        return Effect(sources, quiet=True)
    if not born:
        return Effect(sources, quiet=True, skip=skip) if skip else None
    if not stayed:
        return RESTARTED
    return Effect(sources, quiet=True, skip=skip) if skip else STARTED
