"""Web pages, loopback names, JSON."""

from typing import Any

import pytest
from pydantic import SecretStr

from proxy.access.origin import check_origin
from proxy.config.models import Auth, Config, Key, Model, Provider, Server
from proxy.errors import Forbidden, GatewayError, InvalidRequest

PAGE = "https://app.example.com"


def config(*, auth: bool, origins: tuple[str, ...] = (PAGE,)) -> Config:
    return Config(
        server=Server(cors_origins=origins),
        auth=Auth(keys=(Key(name="a", key=SecretStr("key-of-eight")),)) if auth else None,
        providers={"openai": Provider()},
        models={"m": Model(target="openai/m")},
    )


OPEN, LOCKED = config(auth=False), config(auth=True)
JSON = (b"content-type", b"application/json")
LOCAL = (b"host", b"127.0.0.1:8080")


@pytest.mark.parametrize(
    "host",
    [
        b"localhost",
        b"LOCALHOST:8080",
        b"127.0.0.1",
        b"127.0.0.1:1",
        b"127.1.2.3:9",
        b"[::1]",
        b"[::1]:8080",
        b"a.localhost:1",
    ],
)
def test_without_keys_loopback_names_are_taken(host: bytes) -> None:
    assert _passes("GET", [(b"host", host)], OPEN, Forbidden, "host_not_allowed")


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [b""],
        [b"evil.example"],
        [b"evil.example:8080"],
        [b"localhost.evil.example"],
        [b"127.0.0.1.evil.example"],
        [b"notlocalhost"],
        [b"127.0.0.1:8080", b"127.0.0.1:8080"],
        [b"0.0.0.0:8080"],
        [b"192.168.0.3"],
        [b"[::2]"],
        [b"::1"],
        [b"[::1"],
        [b"localhost:"],
        [b"localhost:x"],
        [b"localhost:80:80"],
        [b"localhost/"],
        [b"user@localhost"],
        [b" localhost"],
        [b"localhost\n"],
        [b"2130706433"],
        [b"0x7f.1"],
        [b"\xff"],
        [b"a" * 100_000],
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_keys_any_other_host_is_403(hosts: list[bytes], method: str) -> None:
    with pytest.raises(Forbidden) as refusal:
        check_origin(method, [(b"host", host) for host in hosts] + [JSON], OPEN)
    assert refusal.value.code == "host_not_allowed"


def test_with_keys_any_host_is_taken() -> None:
    headers = [(b"host", b"gateway.example"), JSON]
    passes = [_passes("POST", headers, settings, Forbidden, "host_not_allowed") for settings in (LOCKED, OPEN)]
    assert passes == [True, False]


@pytest.mark.parametrize(
    ("origins", "allowed", "passes"),
    [
        ([], (PAGE,), True),
        ([b"https://app.example.com"], (PAGE,), True),
        ([b"HTTPS://APP.EXAMPLE.COM"], (PAGE,), True),
        ([b"https://anything.example"], ("*",), True),
        ([b"https://app.example.com"], (), False),
        ([b"http://app.example.com"], (PAGE,), False),
        ([b"https://app.example.com:8443"], (PAGE,), False),
        ([b"https://app.example.com.evil.example"], (PAGE,), False),
        ([b"https://evil.example"], (PAGE,), False),
        ([b"http://localhost:8080"], (PAGE,), False),
        ([b"null"], (PAGE,), False),
        ([b""], (PAGE,), False),
        ([b"\xff"], (PAGE,), False),
        ([b"*"], (PAGE,), False),
        ([b"https://app.example.com", b"https://evil.example"], (PAGE,), False),
        ([b"https://app.example.com", b"https://evil.example"], ("*",), False),
    ],
)
@pytest.mark.parametrize("auth", [True, False])
def test_pages_of_listed_origins_only(origins: list[bytes], allowed: tuple[str, ...], passes: bool, auth: bool) -> None:
    headers = [LOCAL, JSON, *((b"origin", origin) for origin in origins)]
    assert _passes("POST", headers, config(auth=auth, origins=allowed), Forbidden, "origin_not_allowed") is passes


SIGNS = ["forwarded", "via", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-anything", "x-real-ip"]
SIGNS += ["cf-connecting-ip", "true-client-ip", "cdn-loop"]


@pytest.mark.parametrize("sign", SIGNS)
def test_without_keys_a_forwarded_request_is_refused(sign: str) -> None:
    headers = [LOCAL, (sign.encode(), b"127.0.0.1")]
    with pytest.raises(Forbidden, match=f"header {sign}.*auth.keys") as refusal:
        check_origin("GET", headers, OPEN)
    assert (refusal.value.status, refusal.value.code) == (403, "forwarded_without_keys")
    check_origin("GET", headers, LOCKED)


def test_a_name_that_only_looks_like_a_proxys_is_none() -> None:
    check_origin("GET", [LOCAL, (b"x-forward", b"a"), (b"x-request-id", b"via")], OPEN)


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ([JSON], True),
        ([(b"content-type", b"Application/JSON; charset=UTF-8")], True),
        ([(b"content-type", b'application/json;charset="utf8"')], True),
        ([(b"content-type", b"application/json;")], True),
        ([], True),
        ([(b"content-length", b"0")], True),
        ([(b"content-length", b"00")], True),
        ([(b"content-length", b"2")], False),
        ([(b"content-length", b"")], False),
        ([(b"content-length", b"x")], False),
        ([(b"transfer-encoding", b"chunked")], False),
        ([(b"content-type", b"text/plain")], False),
        ([(b"content-type", b"text/plain"), (b"content-length", b"0")], False),
        ([(b"content-type", b"application/x-www-form-urlencoded")], False),
        ([(b"content-type", b"multipart/form-data; boundary=application/json")], False),
        ([(b"content-type", b"text/plain; application/json")], False),
        ([(b"content-type", b"text/plain, application/json")], False),
        ([(b"content-type", b"application/json, text/plain")], False),
        ([(b"content-type", b"application/jsonp")], False),
        ([(b"content-type", b"application/json; charset=utf-16")], False),
        ([(b"content-type", b"")], False),
        ([JSON, JSON], False),
        ([(b"content-type", b"application/json" + b" " * 1000 + b"x")], False),
    ],
)
@pytest.mark.parametrize("auth", [True, False])
def test_a_body_must_be_said_to_be_json(headers: list[tuple[bytes, bytes]], passes: bool, auth: bool) -> None:
    code = "unsupported_content_type"
    assert _passes("POST", [LOCAL, *headers], config(auth=auth), InvalidRequest, code) is passes


def test_a_wrong_type_is_415() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        check_origin("POST", [LOCAL, (b"content-type", b"text/plain")], OPEN)
    assert (refusal.value.status, refusal.value.type) == (415, "invalid_request_error")


def test_a_get_needs_no_type() -> None:
    headers = [LOCAL, (b"content-type", b"text/plain")]
    code = "unsupported_content_type"
    assert [_passes(method, headers, OPEN, InvalidRequest, code) for method in ("GET", "POST")] == [True, False]


def _passes(method: str, headers: Any, settings: Config, kind: type[GatewayError], code: str) -> bool:
    try:
        check_origin(method, headers, settings)
    except kind as refusal:
        assert refusal.code == code
        return False
    return True
