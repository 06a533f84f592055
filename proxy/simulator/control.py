"""Remote control of the simulator, for tests in other processes.

`GET /_sim/calls` lists the latest calls (`?last=N`), and `DELETE` drops them. `POST /_sim/answers` sets answers:
`{"model": {…members of Answer…}, "other": [{…}, {…}]}`. `null` removes a model's answer. `GET /v1/models` lists the
models. `GET /` lists the models and the options of their names.

Web pages must not use it. `refused_page` rejects a request with an `Origin`. On a loopback address it also rejects a
`Host` that is not a loopback name, because a page could resolve a domain of its own to 127.0.0.1.
"""

import ipaddress
import json
import re
from typing import TYPE_CHECKING, Any

from proxy.simulator.answers import read_answer
from proxy.simulator.http import Request
from proxy.simulator.models import MODELS
from proxy.simulator.names import OPTIONS
from proxy.simulator.script import Script, plain

if TYPE_CHECKING:
    from proxy.simulator.server import Simulator

_DEFAULT_LAST = 100
_HOST = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253}))(?::[0-9]{1,5})?", re.IGNORECASE | re.ASCII)


def respond(simulator: "Simulator", request: Request) -> Script:
    """Return the response to a request that is not a provider's call."""
    match request.method, request.path:
        case "GET", "/v1/models":
            return _told(200, {"object": "list", "data": [_model(name) for name in MODELS]})
        case "GET", "/":
            options = {name: option.meaning for name, option in OPTIONS.items()}
            return _told(200, {"simulator": "sluice", "models": list(MODELS), "options": options})
        case "GET", "/_sim/calls":
            return _calls(simulator, request)
        case "DELETE", "/_sim/calls":
            simulator.forget()
            return _told(200, {})
        case "POST", "/_sim/answers":
            return _set_answers(simulator, request)
    message = f"The simulator has no {request.method} {request.path}: see proxy/simulator/__init__.py for what it has."
    return _told(404, {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}})


def refused_page(request: Request, listens_at: str) -> Script | None:
    """Return the rejection of a request that a web page may have sent, or None. `listens_at` is the simulator's
    address.

    The control routes answer to loopback names even if the simulator listens on another address.
    """
    if "origin" in request.headers:
        return _told(403, {"error": "The simulator is not for web pages: send no Origin header."})
    only_here = _is_loopback(listens_at) or request.path.startswith("/_sim/")
    if only_here and not _is_local(request.headers.get("host", "")):
        return _told(403, {"error": "The simulator answers to loopback names only: use 127.0.0.1."})
    return None


def _is_local(host: str) -> bool:
    """Return true if a `Host` names this machine, by the gateway's own rule for requests without keys."""
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = (match[1] or match[2]).lower()
    return name.endswith(".localhost") or _is_loopback(name)


def _is_loopback(name: str) -> bool:
    try:
        return name.lower() == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _calls(simulator: "Simulator", request: Request) -> Script:
    last = request.query.get("last", str(_DEFAULT_LAST))
    if not last.isdigit():
        return _told(400, {"error": "`last` is a number of calls"})
    calls = list(simulator.calls)[-int(last) :] if int(last) else []
    return _told(200, {"connections": simulator.connections, "calls": [call.summary() for call in calls]})


def _set_answers(simulator: "Simulator", request: Request) -> Script:
    """Set all answers, or none if one of them is invalid."""
    try:
        given = json.loads(request.body)
        answers = {
            model: [read_answer(one) for one in value] if isinstance(value, list) else value and read_answer(value)
            for model, value in given.items()
        }
    except (ValueError, AttributeError) as error:
        return _told(400, {"error": f"POST an object of model names and answers: {error}"})
    for model, answer in answers.items():
        if answer:
            simulator.answers[model] = answer
        else:
            simulator.answers.pop(model, None)
    return _told(200, {"models": sorted(simulator.answers)})


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "simulator"}


def _told(status: int, value: Any) -> Script:
    return plain(status, json.dumps(value).encode())
