"""The boundary around the mapping of a client's request.

Rule: a mapping reads nothing but what the client sent, so whatever fails there is the client's error: a 400, which
names the place as far as it is known. A failure that no check foresaw is logged, without any text of the request.
"""

import contextlib
import logging
from collections.abc import Iterator

from policies.work import OverBudget
from proxy.errors import GatewayError, InvalidRequest, TooComplex
from proxy.logs import where_it_failed
from proxy.upstreams.base import Call

log = logging.getLogger("sluice")


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
