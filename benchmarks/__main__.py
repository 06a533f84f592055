"""Command line of the benchmarks."""

import pathlib
import sys

import click

from benchmarks import (
    cancel,
    caps,
    gateway,
    growth,
    leak_cases,
    leaks,
    measure,
    redact,
    redact_peers,
    soak,
    telemetry,
)

_out = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=pathlib.Path),
    default=pathlib.Path(".bench/results"),
    show_default=True,
    help="The folder for the table and the charts.",
)


@click.group()
def main() -> None:
    """Measure Sluice. Compare figures within one run: machines are noisy."""


@main.command("gateway")
@click.option("--streams", default=100, show_default=True, help="Streams at once.")
@click.option("--seconds", default=10, show_default=True, help="How long each stream runs.")
@click.option("--rate", default=50, show_default=True, help="Chunks a second of each stream.")
@click.option("--rounds", default=3, show_default=True, help="Figures are medians of so many rounds.")
@click.option("--sustain/--no-sustain", default=True, help="Seek the most streams of one core too (slow).")
@click.option("--telemetry/--no-telemetry", default=True, help="Trace `everything` to a live OTLP sink.")
@click.option("--only", multiple=True, help="Contenders whose name holds this, and nginx; may be repeated.")
@_out
def gateway_command(
    out: pathlib.Path, rounds: int, sustain: bool, telemetry: bool, only: tuple[str, ...], **load: int
) -> None:
    """Measure CPU, latency and memory of Sluice beside nginx and LiteLLM's proxy."""
    sys.exit(gateway.run(gateway.Plan(measure.Load(**load), rounds, sustain, telemetry, only), out))


@main.command("growth")
@click.argument("sections", nargs=-1, type=click.Choice(list(growth.SECTIONS)))
@click.option("--scale", default=1.0, show_default=True, help="Longer or shorter runs.")
@_out
def growth_command(sections: tuple[str, ...], scale: float, out: pathlib.Path) -> None:
    """Measure how cost grows with chunk size, streams, rules and prompts: all sections, or those named."""
    sys.exit(growth.grow(sections, out, scale))


@main.command("cancel")
@click.option("--rounds", default=10, show_default=True, help="Runs of each cell.")
def cancel_command(rounds: int) -> None:
    """Measure the time from a client's disconnect to the close of the provider's connection."""
    sys.exit(cancel.run(rounds))


@main.command("leaks")
@click.argument("places", nargs=-1, type=click.Choice([place.name for place in leak_cases.PLACES]))
def leaks_command(places: tuple[str, ...]) -> None:
    """Search the answers of Sluice, LiteLLM's proxy and LLM-Shield-Proxy for secrets, field by field."""
    sys.exit(leaks.run(places))


@main.command("soak")
@click.option("--seconds", default=1800, show_default=True, help="How long, after a warm-up.")
@click.option("--streams", default=200, show_default=True, help="Streams at once.")
@click.option("--seed", default=1, show_default=True, help="Of the faults and of the clients.")
@click.option("--attack", default=0.0, show_default=True, help="The share of requests that are attacks.")
def soak_command(seconds: int, streams: int, seed: int, attack: float) -> None:
    """Run many failing and leaving streams for a long time. Exit code 1 if anything is wrong."""
    sys.exit(soak.run(soak.Plan(seconds, streams, seed, attack)))


@main.command("redact")
@click.argument("sections", nargs=-1, type=click.Choice([*redact.SECTIONS, "peers"]))
def redact_command(sections: tuple[str, ...]) -> None:
    """Measure the redaction engine's cost, the text that it holds, and its peers' cost: all sections, or
    those named.
    """
    redact.run([section for section in sections or redact.SECTIONS if section != "peers"])
    if not sections or "peers" in sections:
        redact_peers.peers()


@main.command("telemetry")
def telemetry_command() -> None:
    """Measure the cost of a request's spans and metrics."""
    telemetry.run()


@main.command("caps")
def caps_command() -> None:
    """Measure the cost of caps, json_guard and usage counting for each chunk."""
    caps.run()


if __name__ == "__main__":
    main()
