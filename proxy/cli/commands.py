"""The commands and their options."""

import gc
import sys

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sluice-gateway", prog_name="sluice")
def main() -> None:
    """Sluice: an OpenAI-compatible gateway for streamed LLM answers."""


@main.command(epilog="Example: sluice serve --config config.yaml --port 8080")
@click.option("--config", "path", default="config.yaml", show_default=True, help="The configuration file.")
@click.option("--host", default=None, help="Listen on this address instead of server.host.")
@click.option(
    "--port", default=None, type=click.IntRange(0, 65_535), help="Listen on this port instead of server.port."
)
def serve(path: str, host: str | None, port: int | None) -> None:
    """Run the gateway."""
    gc.disable()  # start-up makes a large heap that stays: collecting while it grows is a fifth of the time until ready
    from proxy.cli.serve import serve as run  # the gateway is imported by the command that needs it

    sys.exit(run(path, host, port))


@main.command(epilog="Example: sluice simulate --port 9000")
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this address.")
@click.option("--port", default=9000, show_default=True, type=click.IntRange(0, 65_535), help="Listen on this port.")
def simulate(host: str, port: int) -> None:
    """Run a stand-in for the three providers: for demos, tests and benchmarks."""
    from proxy.cli.simulate import simulate as run

    sys.exit(run(host, port))
