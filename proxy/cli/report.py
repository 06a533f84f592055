"""Output of `sluice try` about an answer that went through a chain, for people and as JSON."""

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import click

from policies.events import Note
from policies.redact.engines import Engines
from proxy.cli.replay import Played, Step
from proxy.cli.spans import Taken, spans
from proxy.cli.terminal import bad, bold, columns, faint, good, late, shortened, shown

_WIDEST = 44
_PAINT: Final[Mapping[str, Callable[[str], str]]] = {"plain": str, "late": late, "label": bad}
_TAKING = ("redact", "hash", "pseudonymize", "restore")


def as_json(played: Played, failure: str | None) -> dict[str, Any]:
    """Build the JSON report. Positions count characters in the text that arrived, from start to end (exclusive)."""
    return {
        "texts": {name: course.went for name, course in played.courses.items()},
        "matches": [_match(note) for note in played.notes if note.offset is not None and note.end is not None],
        "notes": [_note(note) for note in played.notes if note.offset is None or note.end is None],
        "held": {"most": played.most_held, "steps": [step.held for step in played.steps]},
        "finish": [{"choice": f.choice, "reason": f.reason, "stopped_by": f.by} for f in played.finishes],
        "rejected": played.rejected,
        "provider_error": failure,
        "unread_pieces": played.unread,
    }


def told(played: Played, engines: Engines | None, failure: str | None, *, steps: bool) -> None:
    """Print the text to standard output and the rest to standard error."""
    if steps:
        for line in columns([("came", "went", "held"), *map(_step, played.steps)], right=(2,)):
            click.echo(line, err=True)
        click.echo(err=True)
    for line in _texts(played, engines):
        sys.stdout.write(f"{line}\n")  # click.echo would remove escape sequences from the text
    sys.stdout.flush()
    for line in (*_matches(played), *_end(played, failure)):
        click.echo(line, err=True)


def _match(note: Note) -> dict[str, Any]:
    return {**_note(note), "start": note.offset, "end": note.end}


def _note(note: Note) -> dict[str, Any]:
    said = {"policy": note.policy, "rule": note.rule, "action": note.action}
    return {**said, "choice": note.choice, "channel": note.channel}


def _step(step: Step) -> tuple[str, str, str]:
    came = shortened(repr(step.came), _WIDEST) if step.came else faint("(the end)")
    went = shortened(repr(step.went), _WIDEST) if step.went else faint("-")
    held = late(str(step.held)) if step.held else faint("0")
    return came, went, held


def _texts(played: Played, engines: Engines | None) -> Iterator[str]:
    alone = list(played.courses) in ([], ["content"])
    color = sys.stdout.isatty() and click.get_current_context().color is not False
    for name, course in played.courses.items():
        if not alone:
            yield bold(f"{name}:") if color else f"{name}:"
        parts = spans(course, _taken(played, engines, name))
        texts = [_PAINT[part.kind](_safe(part.text)) if color else _safe(part.text) for part in parts]
        yield "".join(texts).removesuffix("\n")


def _safe(text: str) -> str:
    """Escape what could steer a terminal. A pipe gets the text unchanged, except lone surrogates."""
    return shown(text, lines=True) if sys.stdout.isatty() else text.encode("utf-8", "replace").decode()


def _taken(played: Played, engines: Engines | None, name: str) -> list[Taken]:
    if engines is None:
        return []
    return [
        Taken(note.offset, note.end, engines.rule(note.rule))
        for note in played.notes
        if note.offset is not None and note.end is not None and note.rule is not None
        if note.action in _TAKING and _of(note, name)
    ]


def _of(note: Note, name: str) -> bool:
    """Return true if a note belongs to the named text. Notes on several tool calls do not say which one."""
    return note.choice == 0 and (note.channel == name or (note.channel == "tools" and name == "tool 0"))


def _matches(played: Played) -> Iterator[str]:
    if not played.notes:
        yield faint("No rule matched.")
        return
    yield ""
    rows = [(bold("rule"), bold("policy"), bold("action"), bold("where"))]
    rows += [(note.rule or "-", note.policy, _action(note.action), _where(note)) for note in played.notes]
    yield from columns(rows)


def _action(action: str) -> str:
    return bad(action) if action in ("block", "stop", "stopped", "rejected") else action


def _where(note: Note) -> str:
    place = note.channel or ""
    if note.choice:
        place += f" of choice {note.choice}"
    if note.offset is None:
        return place
    return f"{place} {note.offset}" if note.end is None else f"{place} {note.offset}-{note.end}"


def _end(played: Played, failure: str | None) -> Iterator[str]:
    waited = sum(step.held > 0 for step in played.steps)
    held = late(f"At most {played.most_held} characters were held") if played.most_held else "Nothing was held"
    yield f"{held}, after {waited} of {len(played.steps)} pieces of text."
    if failure is not None:
        yield bad(f"Provider error: {shown(failure)}")
    if played.rejected is not None:
        yield bad(f"Rejected. The gateway would retry: {shown(played.rejected)}.")
        return
    for finish in played.finishes:
        reason = f"finish_reason {finish.reason}"
        yield good(reason) if finish.by is None else bad(f"{reason}, stopped by {finish.by}")
    if not played.finishes:
        yield bad("The answer was cut. The client gets an error event and no [DONE].")
    if played.unread:
        rest = "1 further piece was" if played.unread == 1 else f"{played.unread} further pieces were"
        yield f"{rest} not read. The gateway would close the provider's connection."
