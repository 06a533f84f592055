"""The commands that speak to a running gateway: `status`, `report`, `cancel`, `reload`. Their grammar; `calling` makes
the calls, `pictures` writes the answers for people."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from proxy.cli.options import example
from proxy.cli.terminal import good

F = TypeVar("F", bound=Callable[..., Any])

_CLEAR = "\x1b[H\x1b[2J\x1b[3J"


def _gateway(command: F) -> F:
    """The options that say which gateway, and how to print."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the gateway's answer as JSON."),
        click.option(
            "--key",
            envvar="SLUICE_KEY",
            help="A key with `admin: true`, if the gateway has keys. Better in SLUICE_KEY: others see arguments.",
        ),
        click.option(
            "--url",
            envvar="SLUICE_URL",
            default="http://127.0.0.1:8080",
            show_default=True,
            help="The gateway's address; also from SLUICE_URL.",
        ),
    ):
        command = option(command)
    return command


@click.command(
    short_help="Show streams in flight, totals and targets.",
    epilog=example("sluice status", "sluice status --watch", "sluice status --json | jq .totals"),
)
@_gateway
@click.option("--watch", is_flag=True, help="Show it again and again, until Ctrl-C.")
@click.option("--every", default=2.0, show_default=True, type=click.FloatRange(0.2, 3600), help="Seconds between two.")
def status(url: str, key: str | None, as_json: bool, watch: bool, every: float) -> None:
    """Show the streams in flight, the totals and the targets of a running gateway.

    No text of a prompt or an answer is shown. Exit code 1 when the newest configuration was refused, so that a script
    can tell; with --watch always 0.
    """
    from proxy.cli.client import call
    from proxy.cli.render import status as picture

    if not watch:
        found = call(url, key, "GET", "/admin/status")
        _print(found.body, picture, as_json)
        sys.exit(1 if found.body["config"]["refused"] else 0)
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    while True:
        found = call(url, key, "GET", "/admin/status")
        if sys.stdout.isatty() and not as_json:
            sys.stdout.write(_CLEAR)
        _print(found.body, picture, as_json, compact=True)
        time.sleep(every)


@click.command(
    short_help="Show how often each rule acted, or would have.", epilog=example("sluice report", "sluice report --json")
)
@_gateway
def report(url: str, key: str | None, as_json: bool) -> None:
    """Show how often each rule acted since the gateway's start, and would have in shadow mode."""
    from proxy.cli.client import call
    from proxy.cli.render import report as picture

    _print(call(url, key, "GET", "/admin/report").body, picture, as_json)


@click.command(
    short_help="Stop a request in flight, by its id.",
    epilog=example("sluice cancel chatcmpl-0123456789abcdef0123456789abcdef"),
)
@_gateway
@click.argument("id")
def cancel(url: str, key: str | None, as_json: bool, id: str) -> None:
    """Stop a request in flight, by its id as `status` and the header x-sluice-id tell it."""
    from urllib.parse import quote

    from proxy.cli.client import call

    body = call(url, key, "POST", f"/v1/chat/completions/{quote(id, safe='')}/cancel").body
    _print(body, lambda _: [good("cancelled")], as_json)


@click.command(
    short_help="Have the gateway read its configuration again.",
    epilog=example("sluice reload", "sluice reload --url http://10.0.0.5:8080"),
)
@_gateway
def reload(url: str, key: str | None, as_json: bool) -> None:
    """Have the gateway read its configuration again, now, and say what became of it.

    It notices changed files by itself within two seconds; this tells you the result. Exit code 1 when the file is
    refused; the configuration in use stays.
    """
    from proxy.cli.client import call
    from proxy.cli.render import reload as picture

    found = call(url, key, "POST", "/admin/reload", also=(422,))
    _print(found.body, picture, as_json)
    sys.exit(0 if found.status == 200 else 1)


def _print(
    body: dict[str, Any], picture: Callable[[dict[str, Any]], list[str]], as_json: bool, *, compact: bool = False
) -> None:
    """Write an answer: for people, or as JSON (`compact`: on one line)."""
    lines = [json.dumps(body, indent=None if compact else 2)] if as_json else [*picture(body)]
    try:
        click.echo("\n".join(lines))
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


COMMANDS = (status, report, cancel, reload)
