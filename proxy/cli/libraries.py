"""The private parts of libraries that Sluice relies on, and a check that they are there.

Sluice subclasses uvicorn's protocol and aiohttp's connection, and takes `re`'s parser and tiktoken's encoder from the
inside. `pyproject.toml` bounds their versions. The check names the library when an environment has another one.
"""

import dis
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import CodeType
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class PrivateParts:
    """The used parts of a library's class, or of a module if `owner` is empty.

    `library` is the distribution's name. `names` are attribute names with spaces between them.
    """

    library: str
    module: str
    owner: str
    names: str


_HTTP: Final = "uvicorn.protocols.http.httptools_impl"

PRIVATE: Final = (
    PrivateParts(
        "uvicorn",
        _HTTP,
        "HttpToolsProtocol",
        "_start_asgi_task _unset_keepalive_if_required connection_lost connection_made cycle flow headers loop on_body "
        "on_header on_headers_complete on_message_begin on_message_complete on_response_complete on_url scope "
        "timeout_keep_alive_task transport",
    ),
    PrivateParts(
        "uvicorn",
        _HTTP,
        "RequestResponseCycle",
        "chunked_encoding disconnected expected_content_length keep_alive message_event more_body response_complete "
        "response_started transport",
    ),
    PrivateParts(
        "uvicorn",
        "uvicorn.server",
        "Server",
        "config lifespan on_tick server_state servers shutdown started startup",
    ),
    PrivateParts(
        "aiohttp",
        "aiohttp.client_proto",
        "ResponseHandler",
        "_exception _parser close connection_lost feed_data is_connected set_exception set_response_params "
        "start_timeout transport",
    ),
    PrivateParts("aiohttp", "aiohttp", "TCPConnector", "_conns _factory"),
    PrivateParts("tiktoken", "tiktoken", "Encoding", "_core_bpe"),
    PrivateParts("Python", "re", "", "_casefix _compiler _constants _parser"),
)


def missing() -> list[str]:
    """Describe each library that lacks a private part, and say what to install. Empty when all are there."""
    return [_told(parts, names) for parts in PRIVATE if (names := list(_lacks(parts)))]


def _told(parts: PrivateParts, names: list[str]) -> str:
    try:
        found = f"{parts.library} {version(parts.library)}"
    except PackageNotFoundError:
        found = f"this {parts.library}"
    owner = f"{parts.module}.{parts.owner}".rstrip(".")
    return (
        f"{found} is not a version that Sluice works with: {owner} has no {', '.join(names)}. "
        f"Install the versions of requirements/run.txt, or the range that pyproject.toml gives for {parts.library}."
    )


def _lacks(parts: PrivateParts) -> Iterator[str]:
    try:
        module = importlib.import_module(parts.module)
        owner = getattr(module, parts.owner) if parts.owner else module
    except (ImportError, AttributeError):
        yield from parts.names.split()
        return
    known = set(dir(owner)) | set(_assigned(owner))
    yield from (name for name in parts.names.split() if name not in known)


def _assigned(owner: Any) -> Iterator[str]:
    """Yield the attributes that a class's methods set, which are those of its instances."""
    for kind in getattr(owner, "__mro__", ()):
        yield from getattr(kind, "__slots__", ())
        for member in vars(kind).values():
            code = getattr(getattr(member, "fget", member), "__code__", None)
            if isinstance(code, CodeType):
                yield from (step.argval for step in dis.get_instructions(code) if step.opname == "STORE_ATTR")
