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

    Exit codes: 0 all is well, 1 a problem was found, 2 the command was given wrongly. Colours are used on a terminal
    only, and never with NO_COLOR set.
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
    help="Log lines of this level and above. Access lines are of level info.",
)
def serve(path: str, host: str | None, port: int | None, log_level: str) -> None:
    """Run the gateway."""
    gc.disable()  # start-up makes a large heap that stays: collecting while it grows is a fifth of the time until ready
    from proxy.cli.serve import serve as run  # the gateway is imported by the command that needs it

    run(path, host, port, log_level)


@main.command(
    cls=OfFile,
    short_help="Ask the gateway of a configuration whether it is alive.",
    epilog=example("sluice health --config config.yaml", "sluice health --port 8081"),
)
@CONFIG
@click.option("--host", default=None, help="Ask at this address instead of server.host.")
@click.option("--port", default=None, type=click.IntRange(1, 65_535), help="Ask at this port instead of server.port.")
def health(path: str, host: str | None, port: int | None) -> None:
    """Ask the gateway whether it is alive, at the address and port of its configuration file.

    Made for the health checks of containers: it prints nothing when all is well. Exit code 1 when the gateway does not
    answer, 2 when the file cannot be used.
    """
    from proxy.cli.health import health as run
    from proxy.config.problems import ConfigError

    try:
        run(path, host, port)
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(2)


@main.command(short_help="Run a stand-in for the three providers.", epilog=example("sluice simulate --port 9000"))
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this address.")
@click.option("--port", default=9000, show_default=True, type=click.IntRange(0, 65_535), help="Listen on this port.")
def simulate(host: str, port: int) -> None:
    """Run a stand-in for the three providers: for demos, tests and benchmarks."""
    from proxy.cli.simulate import simulate as run

    sys.exit(run(host, port))


@main.command(
    short_help="Say all that is wrong with a configuration.",
    epilog=example("sluice check", "sluice check staging.yaml --json"),
)
@click.argument("file", metavar="[CONFIG]", required=False, type=FILE)
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check(context: click.Context, file: str | None, path: str, as_json: bool) -> None:
    """Say all that is wrong with a configuration, as the gateway would when it starts.

    Each problem is a line `file:line:column path: message`. Files that it names and environment variables must be
    there; patterns are compiled. Of a right file, its models and the size of its rules are shown.
    """
    if file is not None and context.get_parameter_source("path") is not ParameterSource.DEFAULT:
        raise click.UsageError("Give the file once: CONFIG or --config.")
    from proxy.cli.check import check as run

    sys.exit(run(file or path, as_json))


@main.command(
    name="try",
    cls=OfFile,
    short_help="Say what a client would get of an answer.",
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
@click.option("--format", type=click.Choice(NAMED), help="The recording's format; told by its events.")
@click.option(
    "--body", metavar="FILE", type=FILE, help="The request that it answers: a JSON body, for its response_format."
)
@click.option("--chunk", type=click.IntRange(1), metavar="N", help="Let N characters come at once (4, or as recorded).")
@click.option("--random", is_flag=True, help="Let a random number of characters come at once.")
@click.option("--cut", is_flag=True, help="Let the provider's connection die at the end of the text.")
@click.option("--request", is_flag=True, help="The text is the client's message: show what the provider would get.")
@click.option("--steps", is_flag=True, help="Show each piece: what came, what went, how many characters are held.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: texts, matches, hold, finish.")
def try_(**given: Any) -> None:
    """Say what a client would get of an answer. No provider is called.

    The answer is TEXT, a file, or what comes on standard input. What the client gets goes to standard output, the rest
    to standard error. On a terminal a label is red, and what was held until more had come is yellow.
    """
    _exclusive(given, "policies", "model", needed=True)
    _exclusive(given, "text", "file")
    _exclusive(given, "chunk", "random")
    from proxy.cli.trial import Ask, trial

    config, severed = given.pop("path"), given.pop("cut")
    sys.exit(trial(Ask(config, severed=severed, **given)))


def _exclusive(given: dict[str, Any], one: str, other: str, *, needed: bool = False) -> None:
    """Refuse two options together; if `needed`, none too."""
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
    """Print the JSON Schema of config.yaml, with which editors complete and check it.

    Editors with the YAML language server take it from the file's first line:
    `# yaml-language-server: $schema=docs/config.schema.json`.
    """
    from proxy.cli.schema import schema as run

    sys.exit(run())


@main.command(
    cls=OfFile,
    epilog=example("sluice explain", "sluice explain --policy redact/pii", "sluice explain --model claude --json"),
)
@CONFIG
@policies_option("This policy's rules")
@model_option("The rules that act on this model, as they act together.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def explain(path: str, policies: tuple[str, ...], model: str | None, as_json: bool) -> None:
    """Say what each redaction rule matches, costs, and holds.

    Examples are made from the rule and matched by the engine. NODES is the rule's size: the most characters of it that
    can be under way at once. µS/CHAR is its cost by itself on this machine. HOLDS is the most characters that it was
    seen to hold back. A rule that fires on ordinary English, Chinese or code is warned of.
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
    short_help="Print what lets a shell complete commands with Tab.",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what lets a shell complete sluice's commands and options."""
    from click.shell_completion import get_completion_class

    complete = get_completion_class(shell)
    assert complete is not None
    click.echo(complete(main, {}, "sluice", "_SLUICE_COMPLETE").source())


@main.group()
def telemetry() -> None:
    """Try what traces and metrics go to.

    `sluice telemetry test` sends one span, and metrics where they are pushed, and prints the trace's id or what is
    wrong.
    """


@telemetry.command("test", cls=OfFile, epilog=example("sluice telemetry test --config config.yaml"))
@CONFIG
def telemetry_test(path: str) -> None:
    """Send one span: prints its trace id, or what is wrong."""
    from proxy.cli.telemetry import test as run

    sys.exit(run(path))


for command in COMMANDS:
    main.add_command(command)
