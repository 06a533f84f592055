"""A record's facts as span attributes. Pure.

Rule: each span has an allow-list of attributes, in this file; nothing is copied from a request as a whole. `gen_ai.*`
is on the chat span alone, or backends count a request twice. What is not known is left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from proxy.accounting.record import MAX_ACTIONS, Acted, AttemptRecord, Record
from proxy.config.telemetry import Compat
from proxy.formats.operations import OPERATIONS
from proxy.telemetry import names
from proxy.telemetry.context import MAX_VALUE
from proxy.telemetry.labels import error_type
from proxy.telemetry.outcomes import held, own_error, provider_finish_reasons
from proxy.telemetry.providers import described

Value: TypeAlias = str | bool | int | float | tuple[str, ...]
Attributes: TypeAlias = dict[str, Value]

_NUMBERS = {
    "temperature": names.TEMPERATURE,
    "top_p": names.TOP_P,
    "frequency_penalty": names.FREQUENCY_PENALTY,
    "presence_penalty": names.PRESENCE_PENALTY,
    "max_tokens": names.MAX_TOKENS,
    "max_completion_tokens": names.MAX_TOKENS,
    "seed": names.SEED,
    "top_k": names.TOP_K,
}
"""Numbers of a request that say nothing of what was asked."""

_TEXTLESS = frozenset(operation.name for operation in OPERATIONS if not operation.answers_text)
"""Operations whose answers have no finish reasons."""


def asked(body: Mapping[str, Any]) -> Attributes:
    """`gen_ai.request.*` of a request's body."""
    found: Attributes = {}
    for key, name in _NUMBERS.items():
        value = body.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            found[name] = value
    choices = body.get("n")
    if isinstance(choices, int) and choices != 1:
        found[names.CHOICE_COUNT] = choices
    return found


def server(record: Record, compat: tuple[Compat, ...] = ()) -> Attributes:
    """Of the SERVER span, but for what only the connection knows."""
    found: Attributes = {names.REQUEST_ID: record.id, names.OUTCOME: record.outcome}
    if record.model:
        found[names.ALIAS] = record.model
    if record.client:
        found[names.KEY] = record.client
    if record.status is not None:
        found[names.HTTP_STATUS] = record.status
    if error := own_error(record):
        found[names.ERROR_TYPE] = error
    if record.finish_reasons and record.operation not in _TEXTLESS:
        reasons = record.finish_reasons
        found[names.SEEN_FINISH_REASONS] = tuple(reasons[choice] for choice in sorted(reasons))
    if record.stream and record.first_event is not None:
        found[names.DELIVERED] = record.first_event
    if "openinference" in compat:
        found[names.OI_KIND] = "CHAIN"
    return found


def chat(record: Record, compat: tuple[Compat, ...] = ()) -> Attributes:
    """Of the chat span, but for what was asked and said. The attempt that answered gives provider and model."""
    last = record.tries[-1]
    provider, model = described(last.api, last.provider, last.model)
    found: Attributes = {
        names.OPERATION: record.operation,
        names.PROVIDER: provider,
        names.REQUEST_MODEL: model,
        names.REQUEST_STREAM: record.stream,
        names.OUTCOME: record.outcome,
        names.ATTEMPTS: len(record.tries),
        names.BYTES: record.bytes,
    }
    _put(found, names.SERVER_ADDRESS, last.address)
    _put(found, names.SERVER_PORT, last.port)
    _put(found, names.RESPONSE_ID, (last.response_id or record.provider_id or "")[:MAX_VALUE])
    _put(found, names.RESPONSE_MODEL, (last.response_model or "")[:MAX_VALUE])
    _put(found, names.STOPPED_BY, record.stopped_by)
    _put(found, names.TOKENIZER, record.tokenizer)
    _put(found, names.ERROR_TYPE, own_error(record))
    if record.operation not in _TEXTLESS:
        _put(found, names.FINISH_REASONS, tuple(provider_finish_reasons(record)))
    if record.stream:
        _stream(found, record)
    _usage(found, record)
    if compat:
        _spelled(found, record, compat)
    return found


def attempt(made: AttemptRecord) -> Attributes:
    """Of an attempt's span."""
    found: Attributes = {
        names.ATTEMPT_NUMBER: made.number,
        names.ATTEMPT_PROVIDER: made.provider,
        names.ATTEMPT_API: made.api,
        names.ATTEMPT_MODEL: made.model,
        names.ATTEMPT_REASON: made.reason,
    }
    _put(found, names.ATTEMPT_CHOSEN, made.chosen)
    _put(found, names.SERVER_ADDRESS, made.address)
    _put(found, names.SERVER_PORT, made.port)
    _put(found, names.HTTP_STATUS, made.status)
    _put(found, names.ERROR_TYPE, error_type(made.error, made.status))
    _put(found, names.ERROR_MESSAGE, made.detail or None)
    if made.first_token is not None:
        found[names.ATTEMPT_FIRST_TOKEN] = made.first_token
    return found


def policy_events(acted: Sequence[Acted], versions: Mapping[str, str]) -> list[tuple[str, Attributes]]:
    """What policies did, one event for each rule and action, with how often; at most `MAX_ACTIONS`, then one that
    counts the rest. Channel, choice and offset are those of the first time. `versions` are the policies' own."""
    told = [(names.POLICY_EVENT, _event(one, versions)) for one in acted[:MAX_ACTIONS]]
    if rest := acted[MAX_ACTIONS:]:
        count = sum(one.count for one in rest)
        told.append((names.POLICY_REST_EVENT, {names.POLICY_RULES: len(rest), names.POLICY_COUNT: count}))
    return told


def _event(acted: Acted, versions: Mapping[str, str]) -> Attributes:
    note = acted.first
    event: Attributes = {names.POLICY: note.policy, names.POLICY_ACTION: note.action, names.POLICY_COUNT: acted.count}
    _put(event, names.POLICY_VERSION, versions.get(note.policy))
    _put(event, names.POLICY_RULE, note.rule)
    _put(event, names.POLICY_CHANNEL, note.channel)
    if note.choice is not None:
        event[names.POLICY_CHOICE] = note.choice
    if note.offset is not None:
        event[names.POLICY_OFFSET] = note.offset
    return event


def _stream(found: Attributes, record: Record) -> None:
    found[names.CHUNKS] = record.chunks
    found[names.MAX_GAP] = record.longest_gap
    first = record.tries[-1].first_token
    if first is not None:
        found[names.TIME_TO_FIRST_CHUNK] = first
    if record.first_event is not None:
        found[names.DELIVERED] = record.first_event
    if (hold := held(record)) is not None:
        found[names.HELD] = hold * 1000


def _usage(found: Attributes, record: Record) -> None:
    bill = record.bill
    if bill is None:
        return
    usage = bill.usage
    found[names.INPUT_TOKENS] = usage.prompt
    found[names.OUTPUT_TOKENS] = usage.completion
    found[names.USAGE_SOURCE] = bill.source
    _put(found, names.CACHE_READ, usage.cached)
    _put(found, names.CACHE_WRITE, usage.cache_write)
    _put(found, names.CACHE_CREATION, usage.cache_write)
    _put(found, names.REASONING, usage.reasoning)
    if bill.cost is not None:
        found[names.COST] = bill.cost.total


def _spelled(found: Attributes, record: Record, compat: tuple[Compat, ...]) -> None:
    """What single backends want under another name. (Langfuse's start of the answer is a time of day: the span's.)"""
    if "openinference" in compat:
        found[names.OI_KIND] = "LLM"
        if record.bill is not None and record.bill.usage.reasoning:
            found[names.OI_REASONING] = record.bill.usage.reasoning
    if "langfuse" in compat and names.COST in found:
        found[names.LANGFUSE_COST] = found[names.COST]
    if "signoz" in compat and names.TIME_TO_FIRST_CHUNK in found:
        found[names.SIGNOZ_FIRST] = found[names.TIME_TO_FIRST_CHUNK]


def _put(found: Attributes, name: str, value: Value | None) -> None:
    """Set an attribute that is known and not empty."""
    if value:
        found[name] = value
