"""The address of a request's client, for logs and spans. Pure.

Headers about the client count only as far as trusted proxies vouch for them. Anyone can send these headers, so their
addresses never grant access.

Each proxy appends its caller's address to `X-Forwarded-For` (or `Forwarded`). The list is therefore read from its end,
past the trusted proxies. The first other address is the client's. The client itself may have written the addresses
before it.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_HOPS: Final = 32
"""Maximum number of proxies that are examined."""

MAX_HEADER: Final = 8192
"""Maximum number of header bytes that are examined."""

MAX_ADDRESS: Final = 64
"""Maximum number of characters of an address with its port."""

_FOR = re.compile(r'(?:^|[;,])[ \t]*for[ \t]*=[ \t]*("[^"\\]{0,64}"|[^;,"\s]{1,64})', re.IGNORECASE)
_ELEMENT = re.compile(r'(?:[^,"]|"[^"]*")+')
_PORT = re.compile(r":[0-9A-Za-z._-]{1,16}$")


def client_address(peer: str | None, headers: Iterable[tuple[bytes, bytes]], trusted: tuple[str, ...]) -> str | None:
    """Return the address of the client, or None if it is unknown.

    It is the address of `peer`, the connected host. If `trusted` (addresses and networks) contains `peer`, it is the
    nearest previous address that is not trusted.
    """
    if peer is None or not trusted:
        return peer
    nearest, networks = _parsed(peer), _networks(trusted)
    if nearest is None or not _is_in(nearest, networks):
        return peer
    told: dict[bytes, list[bytes]] = {b"x-forwarded-for": [], b"forwarded": []}
    for name, value in headers:
        if name in told:
            told[name].append(value)
    ways: list[Iterator[str]] = []
    if told[b"x-forwarded-for"]:
        ways.append(_x_forwarded_for(_text(told[b"x-forwarded-for"])))
    if told[b"forwarded"]:
        ways.append(_forwarded(_text(told[b"forwarded"])))
    ends = {_walked(nearest, way, networks) for way in ways}
    # two that differ: the proxy writes one header, and let the client's own through in the other
    return str(ends.pop() if len(ends) == 1 else nearest)


def _walked(nearest: Address, hops: Iterable[str], networks: Sequence[Network]) -> Address:
    """Return the first of `hops`, nearest first, that is not trusted. An invalid address ends the walk at the last
    trusted one.
    """
    for count, hop in enumerate(hops):
        address = _parsed(hop) if count < MAX_HOPS else None
        if address is None:
            break
        nearest = address
        if not _is_in(address, networks):
            break
    return nearest


def _text(values: Sequence[bytes]) -> str:
    """Join the headers, and cut them to their end at an element's boundary."""
    text = b",".join(values)
    if len(text) > MAX_HEADER:
        text = text[-MAX_HEADER:].partition(b",")[2]
    return text.decode("latin-1")


def _x_forwarded_for(text: str) -> Iterator[str]:
    return (hop.strip() for hop in reversed(text.split(",")))


def _forwarded(text: str) -> Iterator[str]:
    """Parse RFC 7239: `for=192.0.2.60;proto=http, for="[2001:db8::1]:80"`."""
    for element in reversed(_ELEMENT.findall(text)):
        found = _FOR.search(element)
        yield found[1].strip('"') if found else ""


def _parsed(text: str) -> Address | None:
    """Parse an address, which may have a port, and brackets around IPv6."""
    if len(text) > MAX_ADDRESS:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = _PORT.sub("", text)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


@lru_cache(maxsize=8)
def _networks(trusted: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(each) for each in trusted)
