"""The commands and their options."""

import gc
import sys
from typing import Any

import click
from click.core import ParameterSource

from proxy.cli.operating import COMMANDS
from proxy.cli.options import CONFIG, FILE, OfFile, example, model_option, policies_option
from proxy.cli.terminal import set_colors
from proxy.formats.registry import NAMED

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=CONTEXT)
@click.version_option(package_name="sluice-gateway", prog_name="sluice")
@click.pass_context
def main(context: click.Context) -> None:
    """Sluice: an OpenAI-compatible gateway for streamed LLM answers.

    Exit codes: 0 success, 1 problem found, 2 usage error. Output is coloured only on a terminal, and never when
    NO_COLOR is set.
    """
    set_colors(context)


@main.command(cls=OfFile, epilog=example("sluice serve --config config.yaml --port 8080"))
@CONFIG
@click.option("--host", default=None, help="Listen on this address instead of server.host.")
@click.option(
    "--port", default=None, type=click.IntRange(0, 65_535), help="Listen on this port instead of server.port."
)
@click.option(
    "--log-level",
    default="info",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    help="Minimum log level. Access lines have level info.",
)
def serve(path: str, host: str | None, port: int | None, log_level: str) -> None:
    """Run the gateway."""
    gc.disable()  # start-up builds a large permanent heap: collecting it would take a fifth of the start-up time
    from proxy.cli.serve import serve as run  # only the commands that need the gateway import it

    run(path, host, port, log_level)


@main.command(
    cls=OfFile,
    short_help="Check that the gateway is alive.",
    epilog=example("sluice health --config config.yaml", "sluice health --port 8081"),
)
@CONFIG
@click.option("--host", default=None, help="Connect to this address instead of server.host.")
@click.option(
    "--port", default=None, type=click.IntRange(1, 65_535), help="Connect to this port instead of server.port."
)
def health(path: str, host: str | None, port: int | None) -> None:
    """Check that the gateway is alive, at the address and port of its configuration file.

    Use it for the health checks of containers. It prints nothing on success. Exit codes: 1 if the gateway does not
    answer, 2 if the file cannot be used.
    """
    from proxy.cli.health import health as run
    from proxy.config.problems import ConfigError

    try:
        run(path, host, port)
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(2)


@main.command(short_help="Run a simulator of the three providers.", epilog=example("sluice simulate --port 9000"))
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this address.")
@click.option("--port", default=9000, show_default=True, type=click.IntRange(0, 65_535), help="Listen on this port.")
def simulate(host: str, port: int) -> None:
    """Run a simulator of the three providers, for demos, tests and benchmarks."""
    from proxy.cli.simulate import simulate as run

    sys.exit(run(host, port))


@main.command(
    short_help="Check a configuration and report all problems.",
    epilog=example("sluice check", "sluice check staging.yaml --json"),
)
@click.argument("file", metavar="[CONFIG]", required=False, type=FILE)
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check(context: click.Context, file: str | None, path: str, as_json: bool) -> None:
    """Check a configuration and report all problems at once, as the gateway does at start-up.

    Each problem is a line `file:line:column path: message`. The check reads the files and environment variables that
    the configuration names, and compiles its patterns. For a valid file, it shows the models and the size of their
    rules.
    """
    if file is not None and context.get_parameter_source("path") is not ParameterSource.DEFAULT:
        raise click.UsageError("Give the file once: CONFIG or --config.")
    from proxy.cli.check import check as run

    sys.exit(run(file or path, as_json))


@main.command(
    name="try",
    cls=OfFile,
    short_help="Show what a client would receive.",
    epilog=example(
        "sluice try --policy redact/pii 'Mail amy@corp.tw'",
        "sluice try --model claude --file answer.txt --random --json",
        "sluice try --model claude --file recorded.sse --steps",
        "sluice try --policy redact/secrets --cut 'my key is sk-proj-a1B2c3D4e5F6'",
        "sluice try --policy redact/names --request 'I am Amy'",
    ),
)
@click.argument("text", required=False)
@CONFIG
@policies_option("Try this policy")
@model_option("Try the policies of this model, as a client names it.")
@click.option(
    "--file", metavar="FILE", type=FILE, help="Read the answer, or a recorded stream of a provider (SSE), from a file."
)
@click.option("--format", type=click.Choice(NAMED), help="The recording's format. By default, it is detected.")
@click.option("--body", metavar="FILE", type=FILE, help="The request's JSON body, for its response_format.")
@click.option(
    "--chunk", type=click.IntRange(1), metavar="N", help="Send N characters at a time (default: 4, or as recorded)."
)
@click.option("--random", is_flag=True, help="Send a random number of characters at a time.")
@click.option("--cut", is_flag=True, help="Cut the provider's connection at the end of the text.")
@click.option(
    "--request", is_flag=True, help="Treat TEXT as the client's message and show what the provider would receive."
)
@click.option(
    "--steps", is_flag=True, help="Show for each piece what arrives, what leaves, and how many characters are held."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: texts, matches, hold, finish.")
def try_(**given: Any) -> None:
    """Show what a client would receive. No provider is called.

    The answer is TEXT, a file, or standard input. The client's text goes to standard output, everything else to
    standard error. On a terminal, labels are red, and text that was held back is yellow.
    """
    _exclusive(given, "policies", "model", needed=True)
    _exclusive(given, "text", "file")
    _exclusive(given, "chunk", "random")
    from proxy.cli.trial import Ask, trial

    config, severed = given.pop("path"), given.pop("cut")
    sys.exit(trial(Ask(config, severed=severed, **given)))


def _exclusive(given: dict[str, Any], one: str, other: str, *, needed: bool = False) -> None:
    """Reject two options that exclude each other. If `needed`, require one of them."""
    names = [f"--{name}".replace("--text", "TEXT").replace("--policies", "--policy") for name in (one, other)]
    if given[one] and given[other]:
        raise click.UsageError(f"Give either {names[0]} or {names[1]}.")
    if needed and not given[one] and not given[other]:
        raise click.UsageError(f"Give {names[0]} or {names[1]}.")


@main.command(
    short_help="Print the JSON Schema of config.yaml, for editors.",
    epilog=example("sluice schema > config.schema.json"),
)
def schema() -> None:
    """Print the JSON Schema of config.yaml. Editors use it to complete and check the file.

    Editors with the YAML language server read it from the file's first line: `# yaml-language-server:
    $schema=docs/config.schema.json`.
    """
    from proxy.cli.schema import schema as run

    sys.exit(run())


@main.command(
    cls=OfFile,
    epilog=example("sluice explain", "sluice explain --policy redact/pii", "sluice explain --model claude --json"),
)
@CONFIG
@policies_option("Explain this policy's rules")
@model_option("Explain the rules that act on this model together.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def explain(path: str, policies: tuple[str, ...], model: str | None, as_json: bool) -> None:
    """Show what each redaction rule matches, costs and holds back.

    The examples are made from the rule and checked with the engine. NODES is the rule's size: the maximum number of
    partial matches at one time. µS/CHAR is the rule's cost when it runs alone on this machine. HOLDS is the largest
    number of characters that the rule was seen to hold back. A rule that matches ordinary English, Chinese or code gets
    a warning.
    """
    _exclusive({"policies": policies, "model": model}, "policies", "model")
    from proxy.cli.explain import explain as run

    sys.exit(run(path, policies, model, as_json))


@main.command(
    epilog=example(
        'bash:  eval "$(sluice completion bash)"           in ~/.bashrc',
        'zsh:   eval "$(sluice completion zsh)"            in ~/.zshrc',
        "fish:  sluice completion fish | source            in ~/.config/fish/config.fish",
    ),
    short_help="Print a script for Tab completion.",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that lets a shell complete sluice's commands and options."""
    from click.shell_completion import get_completion_class

    complete = get_completion_class(shell)
    assert complete is not None
    click.echo(complete(main, {}, "sluice", "_SLUICE_COMPLETE").source())


@main.group()
def telemetry() -> None:
    """Test the telemetry backends.

    `sluice telemetry test` sends one span, and metrics if they are pushed. It prints the trace ID or the problem.
    """


@telemetry.command("test", cls=OfFile, epilog=example("sluice telemetry test --config config.yaml"))
@CONFIG
def telemetry_test(path: str) -> None:
    """Send one span, and print its trace ID or the problem."""
    from proxy.cli.telemetry import test as run

    sys.exit(run(path))


for command in COMMANDS:
    main.add_command(command)
