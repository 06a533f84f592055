"""Which targets a request may go to, in the order of its models and of their strategies.

Rule: a target that cannot serve the request is skipped; when none is left, the client is told why for each.
"""

from collections.abc import Sequence

from proxy.config.resolve import Resolved, ResolvedTarget
from proxy.errors import InvalidRequest
from proxy.routing.capabilities import MissingCapability, lack, why_none
from proxy.routing.order import Known, ordered
from proxy.routing.route import Group


def groups(models: Sequence[Resolved], known: Known) -> list[Group]:
    """The targets of the model that was asked for and of its fallbacks, each model's as a group; at least one. Raises
    `InvalidRequest` when no target can serve the request."""
    found: list[Group] = []
    lacks: list[tuple[ResolvedTarget, MissingCapability]] = []
    for model in models:
        able: list[ResolvedTarget] = []
        for place in model.places:
            missing = lack(known.needs, place)
            if missing is None:
                able.append(place)
            else:
                lacks.append((place, missing))
        if able:
            places, chosen = ordered(able, model.settings.strategy, known)
            found.append(Group(places, chosen if not found else "fallback"))
    if not found:
        too_long = all(missing.window for _, missing in lacks)
        code = "context_length_exceeded" if too_long else "unsupported_request"
        raise InvalidRequest(why_none(lacks), param=known.needs.operation.texts.first if too_long else None, code=code)
    return found
