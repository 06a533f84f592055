"""The benchmarks' command line."""

import sys

import click

from benchmarks import cancel, caps, gateway, redact


@click.group()
def main() -> None:
    """Measure Sluice. Compare figures within one run: machines are noisy."""


@main.command("gateway")
@click.option("--streams", default=100, show_default=True, help="Streams at once.")
@click.option("--seconds", default=10, show_default=True, help="How long each stream runs.")
@click.option("--rate", default=50, show_default=True, help="Chunks a second of each stream.")
def gateway_command(streams: int, seconds: int, rate: int) -> None:
    """CPU, latency and memory of the gateway beside nginx."""
    sys.exit(gateway.run(streams, seconds, rate))


@main.command("cancel")
@click.option("--rounds", default=10, show_default=True, help="Runs of each cell.")
def cancel_command(rounds: int) -> None:
    """How soon a client's leaving closes the provider's connection."""
    sys.exit(cancel.run(rounds))


@main.command("redact")
@click.argument("sections", nargs=-1, type=click.Choice(list(redact.SECTIONS)))
def redact_command(sections: tuple[str, ...]) -> None:
    """What the redaction engine costs, and how much it holds: all sections but `peers`, or those named."""
    redact.run(sections)


@main.command("caps")
def caps_command() -> None:
    """What caps, json_guard and the count of usage cost a chunk."""
    caps.run()


if __name__ == "__main__":
    main()
