"""One HTTP call to a running gateway, with the standard library.

A failure says what to do about it and ends the command with exit code 1. The key goes only to the given address:
redirects are not followed, and loopback is reached without a proxy.
"""

import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Collection
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, NoReturn
from urllib.parse import urlsplit

import click

from proxy.cli.terminal import bad, shown
from proxy.config.fields import is_loopback

TIMEOUT = 10
"""Seconds to wait for a gateway's answer."""

MAX_BYTES = 16 * 2**20
"""Size limit of an answer, in bytes."""

_KEY = re.compile(r"[\x21-\x7e]{1,4096}")


@dataclass(frozen=True, slots=True)
class Answered:
    """A gateway's answer: its status and its JSON."""

    status: int
    body: dict[str, Any]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def call(url: str, key: str | None, method: str, path: str, *, also: Collection[int] = ()) -> Answered:
    """Call the gateway at `url`. Return the answer if its status is 200 or in `also`, otherwise end the command."""
    request = _request(url, key, method, path)
    proxies: dict[str, str] | None = {} if is_loopback(urlsplit(url).hostname or "") else None
    opener = urllib.request.build_opener(_NoRedirect(), urllib.request.ProxyHandler(proxies))
    try:
        with opener.open(request, timeout=TIMEOUT) as response:
            return Answered(response.status, _json(url, response.read(MAX_BYTES + 1)))
    except urllib.error.HTTPError as error:
        with error:
            data = error.read(MAX_BYTES + 1)
        if error.code in also:
            return Answered(error.code, _json(url, data))
        _refused(url, key, error.code, data)
    except urllib.error.URLError as error:
        _unreachable(url, error.reason)
    except (OSError, HTTPException) as error:
        _unreachable(url, error)


def _request(url: str, key: str | None, method: str, path: str) -> urllib.request.Request:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not re.fullmatch(r"[\x21-\x7e]+", url) or "@" in url:
        raise click.UsageError("--url (or SLUICE_URL) must be a URL such as http://127.0.0.1:8080")
    if key and not _KEY.fullmatch(key):
        raise click.UsageError("--key (or SLUICE_KEY) holds a space, a line break or a character beyond ASCII")
    headers = {"accept": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
    base = url.rstrip("/").removesuffix("/v1")  # the form that SDKs use
    return urllib.request.Request(base + path, method=method, headers=headers)


def _json(url: str, data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data) if len(data) <= MAX_BYTES else None
    except ValueError:
        body = None
    if not isinstance(body, dict):
        _fail(f"The server at {url} is not Sluice, or is another version. Check --url (or SLUICE_URL).")
    return body


def _refused(url: str, key: str | None, status: int, data: bytes) -> NoReturn:
    try:
        said = str(json.loads(data)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        said = ""
    if status == 404 and said.startswith("The simulator has no "):
        _fail(f"The server at {url} is the simulator, not the gateway. Check --url (or SLUICE_URL).")
    match status:
        case 401 if not key:
            _fail("The gateway requires a key. Give one with `admin: true` in SLUICE_KEY or with --key.")
        case 401:
            _fail("The gateway does not know this key. Check SLUICE_KEY (or --key) against `auth.keys`.")
        case 403 | 404 | 409 if said:
            _fail(said)
        case _ if said:
            _fail(f"The gateway answered with status {status}: {said}")
    _fail(
        f"{url} answered with status {status} and a body that is not Sluice's. Check --url (or SLUICE_URL), "
        "and any proxy in between."
    )


def _unreachable(url: str, reason: object) -> NoReturn:
    match reason:
        case ConnectionRefusedError():
            _fail(f"Nothing listens at {url}. Start the gateway (sluice serve), or give its address with --url.")
        case TimeoutError():
            _fail(f"{url} did not answer within {TIMEOUT} seconds. Check that the gateway's process is running.")
        case _:
            _fail(f"{url} cannot be reached ({reason}). Check --url (or SLUICE_URL).")


def _fail(message: str) -> NoReturn:
    click.echo(f"{bad('Error:')} {shown(message)}", err=True)
    sys.exit(1)
