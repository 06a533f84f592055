"""What several commands' grammars share: the option that names the file, examples, and what the Tab key offers.

Rule: completing a word never fails and never says anything: of a file that is not right, what can be read is offered.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path()
"""A file's name. Whether it can be read is told by the command, in its own words."""

CONFIG = click.option(
    "--config",
    "path",
    default="config.yaml",
    show_default=True,
    type=FILE,
    metavar="FILE",
    help="The configuration file.",
)


class OfFile(click.Command):
    """A command that has the file as an option: a stray argument is told as such."""

    allow_extra_args = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Called by click. Raises `UsageError`."""
        stray = super().parse_args(ctx, args)
        if stray and not ctx.resilient_parsing:
            named = stray[0].endswith((".yaml", ".yml"))
            remedy = f"did you mean --config {stray[0]}?" if named else "put a text with spaces in quotes."
            ctx.fail(f"Got an argument too many ({stray[0]}): {remedy}")
        return stray


def example(*lines: str) -> str:
    """The epilog of a command's help: commands to copy, one a line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def policies_option(help: str) -> Callable[[F], F]:
    """The option that names policies of the file, once or more."""
    return click.option(
        "--policy",
        "policies",
        multiple=True,
        metavar="ID",
        shell_complete=policy_names,
        help=f"{help}; may be repeated.",
    )


def model_option(help: str) -> Callable[[F], F]:
    """The option that names a model of the file."""
    return click.option("--model", metavar="NAME", shell_complete=model_names, help=help)


def policy_names(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """The policies of the command's file that begin so."""
    return _offered(context, "policies", begun)


def model_names(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """The models of the command's file that begin so; not those with a `*`, which no one can ask for by that name."""
    return _offered(context, "models", begun)


def _offered(context: click.Context, section: str, begun: str) -> list[CompletionItem]:
    names = _keys(Path(context.params.get("path") or "config.yaml"), section)
    return [CompletionItem(name) for name in names if name.startswith(begun) and "*" not in name]


def _keys(file: Path, section: str) -> list[str]:
    from policies.base import UnusableFile  # for those who press the Tab key only
    from proxy.config.files import MAX_CONFIG_BYTES, read_file
    from proxy.config.source import Unreadable, read

    try:
        data: Any = read(read_file(file, MAX_CONFIG_BYTES, "").decode("utf-8-sig"), os.environ).data
    except (UnusableFile, UnicodeDecodeError, Unreadable):
        return []
    given = data.get(section) if isinstance(data, dict) else None
    return list(given) if isinstance(given, dict) else []
