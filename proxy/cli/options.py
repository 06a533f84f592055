"""Parts that several commands share: the option for the configuration file, examples, and Tab completion.

Completion never fails and prints no errors. From an invalid file, it offers the names that can be read.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path()
"""A file name. The command itself reports a file that cannot be read, in its own words."""

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
    """A command that takes the file as an option and explains an argument that should have been one."""

    allow_extra_args = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments for click. Raises `UsageError`."""
        stray = super().parse_args(ctx, args)
        if stray and not ctx.resilient_parsing:
            named = stray[0].endswith((".yaml", ".yml"))
            remedy = f"did you mean --config {stray[0]}?" if named else "put text with spaces in quotes."
            ctx.fail(f"Unexpected argument ({stray[0]}): {remedy}")
        return stray


def example(*lines: str) -> str:
    """Make the epilog of a command's help: commands to copy, one a line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def policies_option(help: str) -> Callable[[F], F]:
    """Make the option that names policies of the file. It may be repeated."""
    return click.option(
        "--policy",
        "policies",
        multiple=True,
        metavar="ID",
        shell_complete=policy_names,
        help=f"{help}. May be repeated.",
    )


def model_option(help: str) -> Callable[[F], F]:
    """Make the option that names a model of the file."""
    return click.option("--model", metavar="NAME", shell_complete=model_names, help=help)


def policy_names(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete policies of the command's file."""
    return _offered(context, "policies", begun)


def model_names(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete models of the command's file, except names with `*`, which clients cannot use."""
    return _offered(context, "models", begun)


def _offered(context: click.Context, section: str, begun: str) -> list[CompletionItem]:
    names = _keys(Path(context.params.get("path") or "config.yaml"), section)
    return [CompletionItem(name) for name in names if name.startswith(begun) and "*" not in name]


def _keys(file: Path, section: str) -> list[str]:
    from policies.base import UnusableFile  # only Tab completion needs it
    from proxy.config.files import MAX_CONFIG_BYTES, read_file
    from proxy.config.source import Unreadable, read

    try:
        data: Any = read(read_file(file, MAX_CONFIG_BYTES, "").decode("utf-8-sig"), os.environ).data
    except (UnusableFile, UnicodeDecodeError, Unreadable):
        return []
    given = data.get(section) if isinstance(data, dict) else None
    return list(given) if isinstance(given, dict) else []
