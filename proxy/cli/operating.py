"""Grammar of the commands for a running gateway: `status`, `report`, `cancel`, `reload`.

`client` makes the calls, and `render` formats the answers for people.
"""

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
    """Add the options that choose the gateway and the output format."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the gateway's answer as JSON."),
        click.option(
            "--key",
            envvar="SLUICE_KEY",
            help="A key with `admin: true`, if the gateway requires keys. Prefer SLUICE_KEY: others can see arguments.",
        ),
        click.option(
            "--url",
            envvar="SLUICE_URL",
            default="http://127.0.0.1:8080",
            show_default=True,
            help="The gateway's URL, also from SLUICE_URL.",
        ),
    ):
        command = option(command)
    return command


@click.command(
    short_help="Show streams in flight, totals and targets.",
    epilog=example("sluice status", "sluice status --watch", "sluice status --json | jq .totals"),
)
@_gateway
@click.option("--watch", is_flag=True, help="Refresh until Ctrl-C.")
@click.option(
    "--every", default=2.0, show_default=True, type=click.FloatRange(0.2, 3600), help="Seconds between refreshes."
)
def status(url: str, key: str | None, as_json: bool, watch: bool, every: float) -> None:
    """Show the streams in flight, the totals and the targets of a running gateway.

    It shows no text of prompts or answers. Exit code 1 if the newest configuration was rejected, so that scripts can
    detect it. With --watch, the exit code is always 0.
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


@click.command(short_help="Show how often each rule acted.", epilog=example("sluice report", "sluice report --json"))
@_gateway
def report(url: str, key: str | None, as_json: bool) -> None:
    """Show how often each rule acted since the gateway started, or would have acted in shadow mode."""
    from proxy.cli.client import call
    from proxy.cli.render import report as picture

    _print(call(url, key, "GET", "/admin/report").body, picture, as_json)


@click.command(
    short_help="Cancel a request in flight by its ID.",
    epilog=example("sluice cancel chatcmpl-0123456789abcdef0123456789abcdef"),
)
@_gateway
@click.argument("id")
def cancel(url: str, key: str | None, as_json: bool, id: str) -> None:
    """Cancel a request in flight. `status` and the header x-sluice-id show its ID."""
    from urllib.parse import quote

    from proxy.cli.client import call

    body = call(url, key, "POST", f"/v1/chat/completions/{quote(id, safe='')}/cancel").body
    _print(body, lambda _: [good("cancelled")], as_json)


@click.command(
    short_help="Make the gateway read its configuration again.",
    epilog=example("sluice reload", "sluice reload --url http://10.0.0.5:8080"),
)
@_gateway
def reload(url: str, key: str | None, as_json: bool) -> None:
    """Make the gateway read its configuration again now, and show the result.

    The gateway also notices changed files by itself, within two seconds. Exit code 1 if the file is rejected. The
    gateway then keeps the configuration in use.
    """
    from proxy.cli.client import call
    from proxy.cli.render import reload as picture

    found = call(url, key, "POST", "/admin/reload", also=(422,))
    _print(found.body, picture, as_json)
    sys.exit(0 if found.status == 200 else 1)


def _print(
    body: dict[str, Any], picture: Callable[[dict[str, Any]], list[str]], as_json: bool, *, compact: bool = False
) -> None:
    """Print an answer for people or as JSON. `compact` JSON is on one line."""
    lines = [json.dumps(body, indent=None if compact else 2)] if as_json else [*picture(body)]
    try:
        click.echo("\n".join(lines))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


COMMANDS = (status, report, cancel, reload)
