"""Write the generated parts of docs/: `python -m scripts.generate` writes them, and a test compares them.

A generated part stands between `<!-- X -->` and `<!-- end -->`. X is `keys: Model` (the table of a model's keys),
`help: command` (a command's help), `finish: all` (the providers' finish reasons) or `failures: all` (their errors).
A policy without a table of keys gets a section in docs/configuration.md. docs/config.schema.json is generated whole.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from policies import POLICIES
from proxy.cli.commands import main as sluice
from proxy.config.schema import config_schema, written
from proxy.formats.finish import ANTHROPIC, BROKEN, GEMINI, OPENAI, UNSAID
from tests.end_to_end.matrix import rendered

DOCS = Path(__file__).parents[1] / "docs"
WIDTH = 100
_AFTER_POLICIES = "## prices\n"
_PART = re.compile(r"(<!-- (keys|help|finish|failures): ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def documents() -> dict[Path, str]:
    """Return the right content of every file with generated parts."""
    schema = config_schema(POLICIES)
    made = {DOCS / "config.schema.json": written(schema)}
    for path in sorted(DOCS.glob("*.md")):
        text = path.read_text()
        if path.name == "configuration.md":
            text = _with_policies(text)
        if _PART.search(text):
            made[path] = _PART.sub(lambda part: _part(part, schema), text)
    return made


def _with_policies(text: str) -> str:
    """Add a section for each policy without a table of keys, after the sections of the other policies."""
    for name, policy in POLICIES.items():
        part = f"<!-- keys: {policy.config.__name__} -->"
        if part not in text:
            section = f"### {name}\n\n{part}\n<!-- end -->\n\n"
            text = text.replace(_AFTER_POLICIES, section + _AFTER_POLICIES, 1)
    return text


def _part(part: re.Match[str], schema: Mapping[str, Any]) -> str:
    match part[2]:
        case "keys":
            body = _keys(schema["$defs"][part[3]])
        case "help":
            body = _help(part[3])
        case "failures":
            body = rendered()
        case _:
            body = _finish()
    return f"{part[1]}{body}{part[4]}"


# ---- finish reasons
def _finish() -> str:
    rows = ["| the client gets | OpenAI-format servers (any spelling) | Anthropic | Gemini |", "|---|---|---|---|"]
    for ending in ("stop", "tool_calls", "function_call", "length", "content_filter", BROKEN, UNSAID):
        named = [", ".join(f"`{n}`" for n, e in table.items() if e == ending) for table in (OPENAI, ANTHROPIC, GEMINI)]
        told = {BROKEN: "an error", UNSAID: "nothing yet: the answer goes on"}.get(ending, f"`{ending}`")
        rows.append(f"| {told} | {' | '.join(named)} |")
    return "\n" + "\n".join(rows) + "\n\n"


# ---- commands
def _help(name: str) -> str:
    command = sluice if name == "sluice" else sluice.commands[name]
    info = name if name == "sluice" else f"sluice {name}"
    settings = sluice.context_settings
    context = click.Context(command, info_name=info, terminal_width=WIDTH, **settings)
    return f"```text\n{command.get_help(context)}\n```\n"


# ---- keys
def _keys(model: Mapping[str, Any]) -> str:
    rows = ["| key | value | default | description |", "|---|---|---|---|"]
    for name, member in model["properties"].items():
        cells = (f"`{name}`", _takes(member), _default(model, name, member), member.get("description", ""))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n" + "\n".join(rows) + "\n\n"


def _default(model: Mapping[str, Any], name: str, member: Mapping[str, Any]) -> str:
    if name in model.get("required", ()):
        return "required"
    default = member.get("default")
    if default is None or default in ([], {}) or isinstance(default, dict):
        return ""
    return f"`{default:g}`" if isinstance(default, float) else f"`{json.dumps(default).strip(chr(34))}`"


def _takes(schema: Mapping[str, Any]) -> str:
    """Describe the values that a schema allows, in a few words."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(text for part in schema["anyOf"] if (text := _takes(part))))
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return "" if name == "Reference" else "mapping"
    if "enum" in schema:
        known = schema["enum"]
        return ", ".join(f"`{value}`" for value in known) if len(known) < 8 else "a name"
    return _of_type(schema)


def _of_type(schema: Mapping[str, Any]) -> str:
    match schema.get("type"):
        case "array":
            return f"list of {_takes(schema['items'])}"
        case "object":
            return "mapping"
        case "boolean":
            return "true, false"
        case "integer":
            return " ".join(["whole number", *_bounds(schema)])
        case "number":
            return " ".join(["number", *_bounds(schema)])
        case "string":
            return "one character" if schema.get("maxLength") == 1 else "text"
    return ""


def _bounds(schema: Mapping[str, Any]) -> Iterator[str]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        yield f"{low:g}–{high:g}" if high < 1e5 else f"from {low:g}"
    elif low is not None:
        yield f"from {low:g}"
    elif "exclusiveMinimum" in schema:
        yield f"over {schema['exclusiveMinimum']:g}"


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text)
