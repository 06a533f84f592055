"""Checks of single values of the configuration, as types that `proxy.config.models` uses.

Rule: a message says what the value must be and what to do, and never repeats the value: it may be a secret.
"""

import ipaddress
import re
from collections.abc import Sized
from functools import lru_cache
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

_Sized = TypeVar("_Sized", bound=Sized)

_SECRET = re.compile(r"[\x21-\x7e]{1,4096}", re.ASCII)
_VARIABLE = re.compile(r"\$[A-Z_][A-Z0-9_]*")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.ASCII)
_SHORTEST_KEY = 8


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return value


def _not_empty(value: _Sized) -> _Sized:
    if not value:
        raise ValueError("must not be empty")
    return value


def _digest(value: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", value):
        raise ValueError("must be 64 hexadecimal digits: make them with `printf %s KEY | sha256sum`")
    return value.lower()


def _header_value(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if not value:
        raise ValueError("is empty: give the key, or set the variable that it comes from")
    if not _SECRET.fullmatch(value):
        raise ValueError("holds a space, a line break or a character beyond ASCII: check how the key was pasted")
    if _VARIABLE.fullmatch(value):
        raise ValueError("is the name of a variable, not a key: write ${NAME}, with braces")
    if value[0] in "\"'":
        raise ValueError("begins with a quotation mark: set the variable without quotes")
    return secret


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < _SHORTEST_KEY:
        raise ValueError(f"is shorter than {_SHORTEST_KEY} characters: make one with `openssl rand -hex 24`")
    return secret


def _base_url(value: str) -> str:
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:
        raise ValueError("is not a URL: give one such as https://host/v1") from None
    if url.scheme not in ("http", "https") or not url.hostname or port == 0:
        raise ValueError("must be a URL such as https://host/v1")
    if not re.fullmatch(r"[\x21-\x7e]{1,2048}", value) or "\\" in value:
        raise ValueError("holds a character that a URL cannot have, such as a space")
    if "@" in url.netloc:
        raise ValueError("must not hold a user or password: put the key in `api_key`")
    if "?" in value or "#" in value:
        raise ValueError("must not have a query (?) or fragment (#)")
    if ".." in url.path.split("/"):
        raise ValueError("must not hold a '..' segment")
    path = url.path.rstrip("/")
    for ending in ("/chat/completions", "/messages"):
        if path.endswith(ending):
            raise ValueError(f"must end before {ending}: the gateway adds it")
    return value.rstrip("/")


def _origin(value: str) -> str:
    lowered = value.lower()
    if value != "*" and not _ORIGIN.fullmatch(lowered):
        raise ValueError('must be an origin such as "https://app.example.com" (no path, no closing slash), or "*"')
    return lowered


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        try:
            right = ipaddress.ip_network(value, strict=False)
        except ValueError:
            raise ValueError("must be an address or a network, such as 10.0.0.7 or 10.0.0.0/8") from None
        raise ValueError(f"has bits behind its mask: write {right}") from None
    return value


def _host(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.:_-]{1,253}", value):
        raise ValueError("must be an address or a host name, such as 127.0.0.1; the port goes in `port`")
    return value


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether a host name or IP address (IPv6 without brackets) stands for this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


NotEmpty = AfterValidator(_not_empty)
"""For containers: pydantic's `min_length` counts valid items only, so one bad item would be told twice."""

NotBool = BeforeValidator(_no_bool)
Seconds = Annotated[float, NotBool, Field(gt=0, le=86_400, allow_inf_nan=False)]
Dollars = Annotated[float, NotBool, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
ProviderKey = Annotated[SecretStr, AfterValidator(_header_value)]
ClientKey = Annotated[SecretStr, AfterValidator(_header_value), AfterValidator(_long_enough)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
Origin = Annotated[str, AfterValidator(_origin)]
Network = Annotated[str, AfterValidator(_network)]
Host = Annotated[str, AfterValidator(_host)]
Digest = Annotated[str, AfterValidator(_digest)]
