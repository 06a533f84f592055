"""The client's address: as far as trusted proxies vouch for it, and no further."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.access.address import MAX_HOPS, client_address

PROXY, CLIENT, OTHER = "10.0.0.7", "203.0.113.9", "198.51.100.1"
TRUSTED = ("10.0.0.0/8", "2001:db8:1::/48")


def address(peer: str | None, trusted: tuple[str, ...] = TRUSTED, **headers: str | list[str]) -> str | None:
    """Find the client's address. `headers` have `_` for `-`, and a list is a repeated header."""
    sent = []
    for name, values in headers.items():
        for value in [values] if isinstance(values, str) else values:
            sent.append((name.replace("_", "-").encode(), value.encode("latin-1")))
    return client_address(peer, sent, trusted)


def test_a_client_that_comes_by_itself_is_its_peer() -> None:
    assert address(CLIENT) == CLIENT
    assert address(None) is None
    assert address("", x_forwarded_for=OTHER) == ""


def test_a_peer_that_is_not_trusted_vouches_for_nobody() -> None:
    assert address(CLIENT, x_forwarded_for=OTHER, forwarded=f"for={OTHER}") == CLIENT
    assert address(PROXY, (), x_forwarded_for=OTHER) == PROXY


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (CLIENT, CLIENT),
        (f"{CLIENT}:50000", CLIENT),
        (f"  {CLIENT}  ", CLIENT),
        (f"{OTHER}, {CLIENT}", CLIENT),
        (f"{OTHER}, {CLIENT}, 10.1.2.3, 10.3.2.1", CLIENT),
        ([OTHER, CLIENT, "10.1.2.3"], CLIENT),
        ("10.1.2.3, 10.3.2.1", "10.1.2.3"),
        (f"::ffff:{CLIENT}", CLIENT),
        ("2001:db8:9::1", "2001:db8:9::1"),
        ("[2001:db8:9::1]:80", "2001:db8:9::1"),
        (f"{CLIENT}, 2001:db8:1::5", CLIENT),
        ("unknown", PROXY),
        (f"{CLIENT}, unknown", PROXY),
        (f"{CLIENT}, , 10.1.2.3", "10.1.2.3"),
        (f"{CLIENT}, 10.1.2.3 ", CLIENT),
        ("", PROXY),
        ("010.0.0.1", PROXY),
        ("1.2.3", PROXY),
        ("fe80::1%eth0", PROXY),
        ("٢.0.0.1".encode().decode("latin-1"), PROXY),
        ("<script>", PROXY),
        ("1" * 10_000, PROXY),
    ],
)
def test_x_forwarded_for_is_read_from_its_end(told: str | list[str], found: str) -> None:
    assert address(PROXY, x_forwarded_for=told) == found


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (f"for={CLIENT}", CLIENT),
        (f'For="{CLIENT}:80";proto=https;by=10.0.0.1', CLIENT),
        (f"proto=https;for={CLIENT}", CLIENT),
        ('for="[2001:db8:9::1]:80"', "2001:db8:9::1"),
        (f"for={OTHER}, for={CLIENT};host=a, for=10.1.2.3", CLIENT),
        (f'for={CLIENT};host="a, for={OTHER}"', CLIENT),
        ([f"for={OTHER}", f"for={CLIENT}"], CLIENT),
        (f"for={CLIENT}, proto=https", PROXY),
        ("for=_hidden", PROXY),
        ("for=unknown", PROXY),
        (f"notfor={CLIENT}", PROXY),
        (f'for="{CLIENT}', PROXY),
    ],
)
def test_forwarded_is_read_from_its_end(told: str | list[str], found: str) -> None:
    assert address(PROXY, forwarded=told) == found


def test_two_headers_must_say_the_same() -> None:
    """A proxy that writes one of them lets the other through as the client has sent it."""
    assert address(PROXY, x_forwarded_for=CLIENT, forwarded=f"for={CLIENT}") == CLIENT
    assert address(PROXY, x_forwarded_for=CLIENT, forwarded=f"for={OTHER}") == PROXY


def test_no_more_hops_are_looked_at_than_may_be() -> None:
    assert address(PROXY, x_forwarded_for=", ".join([CLIENT, *["10.0.0.1"] * (MAX_HOPS - 1)])) == CLIENT
    assert address(PROXY, x_forwarded_for=", ".join([CLIENT, *["10.0.0.1"] * MAX_HOPS])) == "10.0.0.1"


def test_an_address_that_the_bound_on_bytes_cuts_is_not_taken() -> None:
    """Of a longer list only the end is looked at, from a whole address on."""
    padding = " " * (8192 - len("3.0.113.9,10.0.0.1"))
    assert address(PROXY, x_forwarded_for=f"{CLIENT},{padding}10.0.0.1") == "10.0.0.1"


@settings(max_examples=300, derandomize=True)
@given(st.text(st.characters(codec="latin-1"), max_size=60), st.booleans())
def test_whatever_a_client_writes_before_it_is_without_effect(written: str, forwarded: bool) -> None:
    if forwarded and written.count('"') % 2:
        written += '"'  # a proxy would not add to a list that it cannot read
    ends = f"{written}, for={CLIENT}, for=10.1.2.3" if forwarded else f"{written}, {CLIENT}, 10.1.2.3"
    assert address(PROXY, **{"forwarded" if forwarded else "x_forwarded_for": ends}) == CLIENT


@settings(max_examples=300, derandomize=True)
@given(st.text(st.characters(codec="latin-1"), max_size=80), st.text(st.characters(codec="latin-1"), max_size=80))
def test_what_is_found_is_an_address(one: str, other: str) -> None:
    found = address(PROXY, x_forwarded_for=one, forwarded=other)
    assert found is not None and str(ipaddress.ip_address(found)) == found
