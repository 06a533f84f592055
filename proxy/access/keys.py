"""Authentication: map the key in a request's headers to a client and its permissions.

Every key is compared in constant time, even after a match. Keys are stored as SHA-256 digests only. They are random, so
a slow hash would add nothing. They appear in no repr, log or error.
"""

import fnmatch
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from proxy.config.models import Auth, Key
from proxy.errors import Unauthorized

_BEARER = re.compile(rb"bearer +([\x21-\x7e]{1,4096}) *", re.IGNORECASE)
_BARE = re.compile(rb" *([\x21-\x7e]{1,4096}) *")


@dataclass(frozen=True, slots=True)
class Client:
    """The sender of a request. `name` is the key's name in the configuration, and `models` are globs of model names."""

    name: str
    admin: bool
    models: tuple[str, ...]

    def may_use(self, model: str) -> bool:
        """Return true if the client may use a model of this name."""
        return any(fnmatch.fnmatchcase(model, glob) for glob in self.models)


ANONYMOUS = Client("anonymous", admin=True, models=("*",))
"""Every client, if the configuration has no keys."""


class Keyring:
    """The configured keys. Without keys, every client is `ANONYMOUS`."""

    __slots__ = ("_clients",)

    def __init__(self, auth: Auth | None) -> None:
        self._clients = None if auth is None else [(_digest(key), _client(key)) for key in auth.keys]

    def __repr__(self) -> str:
        return "Keyring(open)" if self._clients is None else f"Keyring({len(self._clients)} keys)"

    def identify(self, headers: Iterable[tuple[bytes, bytes]]) -> Client:
        """Return the client that a request's headers identify.

        `headers` are as in ASGI, with lower-case names. Raises `Unauthorized`.
        """
        if self._clients is None:
            return ANONYMOUS
        digest = hashlib.sha256(_presented(headers)).digest()
        found: Client | None = None
        for known, client in self._clients:
            if hmac.compare_digest(known, digest):
                found = client
        if found is None:
            raise Unauthorized("The gateway does not know this API key: check it with the gateway's operator.")
        return found


def _presented(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the key of a request: `Authorization: Bearer`, or `x-api-key` if that is missing."""
    bearers: list[bytes] = []
    bare: list[bytes] = []
    for name, value in headers:
        if name == b"authorization":
            bearers.append(value)
        elif name == b"x-api-key":
            bare.append(value)
    if not bearers and not bare:
        raise Unauthorized("No API key was sent: send the header `Authorization: Bearer YOUR_KEY`.")
    return _only(bearers, _BEARER) if bearers else _only(bare, _BARE)


def _only(values: Sequence[bytes], form: re.Pattern[bytes]) -> bytes:
    match = form.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        raise Unauthorized("The API key cannot be read: send one header `Authorization: Bearer YOUR_KEY`.")
    return match[1]


def _digest(key: Key) -> bytes:
    if key.key is not None:
        return hashlib.sha256(key.key.get_secret_value().encode()).digest()
    return bytes.fromhex(key.sha256 or "")


def _client(key: Key) -> Client:
    return Client(key.name, key.admin, key.models)
