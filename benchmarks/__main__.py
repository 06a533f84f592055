"""The benchmarks' command line."""

import sys

import click

from benchmarks import gateway


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


if __name__ == "__main__":
    main()
