"""The boundary around the mapping of a client's request: where it runs, and what its failures are.

Rule: a mapping reads nothing but what the client sent, so whatever fails there is the client's error: a 400, which
names the place as far as it is known. A failure that no check foresaw is logged, without any text of the request.

A small request is mapped on the event loop: a thread would add more than it saves. One that turns out to be heavier
than it looks is stopped before the heavy work, and begun again in a thread. See docs/limits.md for why a bound on the
work and a thread are both needed.
"""

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, TypeVar

from policies.work import OverBudget, Work
from proxy.errors import GatewayError, InvalidRequest, TooComplex
from proxy.providers.base import Call
from proxy.providers.mapping.workers import Workers
from proxy.telemetry.logs import where_it_failed

log = logging.getLogger("sluice")

_T = TypeVar("_T")

MAX_STEPS_ON_LOOP: Final = 5_000
"""Counted steps of a mapping on the event loop: about five milliseconds."""


async def mapped(make: Callable[[Call], _T], call: Call, workers: Workers) -> _T:
    """What `make` makes of a call, on the event loop or in a thread. Raises `GatewayError`."""
    if not call.large:
        little = Work(min(call.work.left, MAX_STEPS_ON_LOOP))
        before = little.left
        try:
            made = make(replace(call, work=little))
        except TooComplex:  # heavier than it looks, or than any request may be: the thread tells
            pass
        else:
            call.work.spend(before - little.left, "messages")
            return made
    return await workers.run(functools.partial(make, call), call.size, call.key)


@contextlib.contextmanager
def mapping(call: Call) -> Iterator[None]:
    """Turn each failure in the block into the client's error. `GatewayError`s pass."""
    try:
        yield
    except GatewayError:
        raise
    except OverBudget as over:
        raise TooComplex(over) from None
    except Exception as failure:
        log.error("%s: a request could not be mapped: %s", call.id, where_it_failed(failure))
        raise InvalidRequest(
            f"The request cannot be translated for the provider {call.provider_name!r}: check its messages, tools and "
            "parameters against OpenAI's chat format.",
            code="unmappable_request",
        ) from None
