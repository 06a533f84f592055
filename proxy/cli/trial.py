"""`sluice try`: show what a client would receive through a configuration's policies. No provider is called.

The chain is built as the gateway builds it. Only the client's text goes to standard output. The report goes to standard
error, so that a pipe gets the text alone.
"""

import functools
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from policies import POLICIES
from policies.base import Context, Refuse, Request, Target, UnusableFile
from policies.chain import Chain
from policies.events import End, Event, Finish, Text
from policies.steps import finished
from proxy.accounting import tokenizers
from proxy.accounting.pricing.models import target
from proxy.cli.recording import Unplayable, decoded, looks_recorded
from proxy.cli.replay import cut, even, play, uneven
from proxy.cli.report import as_json, told
from proxy.cli.rules import compiled
from proxy.cli.terminal import bad, json_text, late
from proxy.config.chains import make_chain, policy_ids
from proxy.config.files import read_file
from proxy.config.load import ConfigError, load
from proxy.config.models import Config
from proxy.config.names import did_you_mean
from proxy.config.resolve import resolve

MAX_LENGTH = 8 * 1024 * 1024
"""Size limit in bytes of an answer or a request to try."""
_TOO_LONG = "try a part of it"
_CHUNK = 4


@dataclass(frozen=True, slots=True)
class Ask:
    """The options of a trial.

    Exactly one of `policies` and `model` is set. If `text` is None, it is read from `file` or standard input. `body` is
    a file with the request. `chunk` is the number of characters in each piece. None means as recorded, or four. With
    `random`, sizes vary. With `severed`, the provider's connection is cut at the end. With `request`, the text is the
    client's message.
    """

    config: str
    policies: tuple[str, ...] = ()
    model: str | None = None
    text: str | None = None
    file: str | None = None
    format: str | None = None
    body: str | None = None
    chunk: int | None = None
    random: bool = False
    severed: bool = False
    request: bool = False
    steps: bool = False
    as_json: bool = False


class Refused(Exception):
    """The trial is not possible. The message says why and what to do."""


def trial(ask: Ask) -> int:
    """Run the trial and print the result. Return the exit code."""
    try:
        _try(ask, load(ask.config))
    except ConfigError as error:
        click.echo(str(error), err=True)
        return 1
    except (Refused, Unplayable) as error:
        click.echo(bad(f"Cannot run the trial: {error}"), err=True)
        return 1
    return 0


def _try(ask: Ask, config: Config) -> None:
    ids, context = _wanted(ask, config)
    body = _body(ask)
    context = replace(context, json_answer=_wants_json(body))
    chain = make_chain(ids, config.policies, POLICIES, context)
    data = _input(ask)
    if ask.request:
        _try_request(ask, chain, {**body, "messages": [{"role": "user", "content": _decoded_text(data)}]})
        _without_request_rules(ids, config)
        return
    seen = finished(chain.request(Request(body)))
    if isinstance(seen, Refuse):
        raise Refused(f"a policy rejects the request: {seen.message.rstrip('.')}")
    events, failure = _events(ask, data, chain.guarded)
    played = play(chain, events)
    engines = compiled(ids, config.policies)
    if ask.as_json:
        click.echo(json_text(as_json(played, failure)))
    else:
        told(played, engines, failure, steps=ask.steps)


def _try_request(ask: Ask, chain: Chain, body: Mapping[str, Any]) -> None:
    seen = finished(chain.request(Request(body)))
    refused = isinstance(seen, Refuse)
    if ask.as_json:
        told = {"refused": seen.message} if isinstance(seen, Refuse) else {"body": seen.body}
        click.echo(json_text(told))
    elif isinstance(seen, Refuse):
        click.echo(bad(f"The request is rejected with status {seen.status}: {seen.message}"), err=True)
    else:
        click.echo(seen.body["messages"][-1]["content"])
    if not refused and not ask.as_json:
        click.echo("The provider would receive this.", err=True)


def _without_request_rules(ids: Sequence[str], config: Config) -> None:
    for id in ids:
        engines = compiled([id], config.policies)
        if engines is not None and engines.request is None:
            click.echo(
                late(f"{id} has no rule with `direction: request` or `both`: it does not change requests."), err=True
            )


# ---- input
def _wanted(ask: Ask, config: Config) -> tuple[Sequence[str], Context]:
    """Find the policies and build their context."""
    if ask.model is None:
        for id in ask.policies:
            if id not in config.policies:
                raise Refused(f"unknown policy {id!r}{did_you_mean(id, config.policies)}")
        return ask.policies, _context("", "")
    found = resolve(config, ask.model)
    if found is None:
        raise Refused(f"unknown model {ask.model!r}{did_you_mean(ask.model, config.models)}")
    place = found.places[0]  # tokenizer and price are those of the serving target: here the first
    known = target(config.prices, place.provider_name, place.api, place.model)
    return policy_ids(config, found.settings), replace(_context(ask.model, place.model), target=known)


def _context(name: str, model: str) -> Context:
    """Build a context with a clock that stands still."""
    counter = functools.partial(tokenizers.load, tokenizers.basis(model))
    return Context(name, lambda: 0.0, target=Target(), tokenizer=counter)


def _body(ask: Ask) -> dict[str, Any]:
    if ask.body is None:
        return {"model": ask.model or "", "messages": []}
    try:
        body = json.loads(_read(ask.body))
    except ValueError as error:
        raise Refused(f"{ask.body} is not JSON ({error}): give a request body") from None
    if not isinstance(body, dict):
        raise Refused(f"{ask.body} is not a JSON object: give a request body")
    return {"messages": [], **body}


def _wants_json(body: Mapping[str, Any]) -> bool:
    format = body.get("response_format")
    return isinstance(format, dict) and format.get("type") in ("json_object", "json_schema")


def _input(ask: Ask) -> bytes:
    if ask.text is not None:
        return ask.text.encode("utf-8", "surrogateescape")
    if ask.file is not None:
        return _read(ask.file)
    if sys.stdin.isatty():
        click.echo("Type the text, then press Ctrl-D on an empty line.", err=True)
    data = sys.stdin.buffer.read(MAX_LENGTH + 1)
    if len(data) > MAX_LENGTH:
        raise Refused(f"the input is larger than {MAX_LENGTH // 2**20} MiB: {_TOO_LONG}")
    return data


def _read(file: str) -> bytes:
    try:
        return read_file(file, MAX_LENGTH, _TOO_LONG)
    except UnusableFile as error:
        raise Refused(f"{file} {error}") from None


def _decoded_text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused("the text is not UTF-8: convert it first") from None


def _events(ask: Ask, data: bytes, guarded: bool) -> tuple[list[Event], str | None]:
    """Return the answer's events in pieces of the requested size, and the provider's error if it ends with one."""
    failure = None
    recorded = ask.format is not None or (ask.text is None and looks_recorded(data))
    if recorded:
        events, failure = decoded(data, ask.format, guarded)
    else:
        events = [Text(0, "content", _decoded_text(data)), Finish(0, "stop"), End("natural")]
    if ask.severed:
        events = [*(e for e in events if not isinstance(e, Finish | End)), End("death")]
    if ask.random:
        events = list(cut(events, uneven()))
    elif ask.chunk is not None or not recorded:
        events = list(cut(events, even(ask.chunk or _CHUNK)))
    return events, failure
