"""Hold the events without substance until the first one with it, before the client gets anything.

It is bounded by its contents, not by how a provider cuts its answer into events. Counts are not kept: no sink makes
anything of them.
"""

from collections.abc import Sequence
from typing import Final

from policies.events import Event, Opaque, Usage
from proxy.formats.jsontext import dumps
from proxy.streaming.folding import has_substance

MAX_EVENTS: Final = 1000
MAX_BYTES: Final = 64 * 1024
"""JSON text of members that we do not know. Beyond either the answer begins without substance."""


class Prelude:
    """The prelude of one attempt."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._bytes = 0

    def until_begun(self, events: Sequence[Event]) -> Sequence[Event] | None:
        """Return all that came so far, with these, once the answer begins with them. Return None until then."""
        self._events += [event for event in events if not isinstance(event, Usage)]
        self._bytes += sum(len(dumps(event.fields)) for event in events if isinstance(event, Opaque))
        if len(self._events) <= MAX_EVENTS and self._bytes <= MAX_BYTES and not has_substance(events):
            return None
        begun, self._events = self._events, []
        return begun
