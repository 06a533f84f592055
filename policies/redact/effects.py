"""What a transition does to the slots of a lane (see `automaton`): the automaton makes effects, the scanner applies
them to its positions.

Rule: the frequent ones are single objects, told apart by identity.
"""

from dataclasses import dataclass
from typing import Final

from policies.redact.factor import BORN


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """What a transition does to the slots: `sources` are the old slots (or BORN) that remain under way. `accepts` are
    new matches, (old slot or BORN, rule, ended). Old slots behind `upto` are discarded with all that they had matched.

    `quiet` when no match is new. Then `skip` tells how many of the first slots went when all others stayed, or is
    -1."""

    sources: tuple[int, ...] = ()
    accepts: tuple[tuple[int, int, int], ...] = ()
    upto: int = 0
    quiet: bool = False
    skip: int = -1


CLEARED: Final = Effect(quiet=True)
"""None is left, none matched."""
STARTED: Final = Effect()
"""One more, nothing else."""
RESTARTED: Final = Effect((BORN,), quiet=True)
"""One that starts with this character is all that is left; none matched."""


def quiet_effect(sources: tuple[int, ...], count: int) -> Effect | None:
    """What becomes of `count` slots when nothing matches."""
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
