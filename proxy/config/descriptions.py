"""What each key of the configuration means, in a line: for editors (`proxy.config.schema`) and for the reference in
docs/configuration.md.

Rule: every key has one, here by its model's name or in the model as `Field(description=…)`; a test sees to it. They are
Markdown, and say what the key does, not its type or default: those come from the models.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel

_LABEL = "what stands in a match's place; `[NAME]` when neither this nor `mask` is given"

_TARGET = (
    "`provider/model`; its `*` takes what the name's `*` took. For `api: litellm` the model is LiteLLM's, such as "
    "`azure/my-deployment`"
)

_ON_A_RULE: Final[Mapping[str, str]] = {
    "action": "`redact`; `hash`: a keyed label, the same for the same value; `pseudonymize`: stable placeholders in "
    "the request, put back in the answer; `block`: drops what is held and ends the answer with `content_filter`; "
    "`flag`: only counted. `redact` when left out",
    "replace": _LABEL,
    "mask": "one character, put in the place of each that matched, best `•`: Markdown reads `*`, `_` and `~` as markup",
    "keep_last": "how many characters at a masked match's end stay; 0 when left out",
    "channels": "the texts that it looks at; all when left out",
    "direction": "`response`, or the client's messages before the provider sees them (`request`), or `both`. "
    "`response` when left out",
    "mode": "`shadow` changes and holds nothing, and counts what it would have done; `enforce` when left out",
    "normalize": "full-width letters, ligatures, combining marks and invisible characters count as what they stand "
    "for; true when left out",
    "ignore_case": "for words: upper and lower case are one; true when left out",
    "whole_word": "for words: only between word boundaries; false when left out",
    "max_hold": "the most characters that are held for it; 1024 when left out",
    "on_overflow": "what becomes of text that is held longer: `closed` puts a label there, `open` lets it go; `closed` "
    "when left out",
    "hash_key": "keys the labels of `action: hash`; best from the environment",
}

DESCRIPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "Config": {
        "server": "where and how the gateway listens",
        "auth": "who may use the gateway. Left out: anyone, on loopback only",
        "simulator": "the built-in stand-in for the providers, started with the gateway on loopback. Left out: none",
        "providers": "by name. `openai`, `anthropic` and `gemini` know their wire format and address; any other name "
        "needs `api`",
        "models": "by the names that clients use. A name may hold one `*`; the exact name wins, then the longest",
        "default_policies": "ids of the policies of models that list none themselves",
        "policies": "by id, `type/name`. They act in a fixed order, whatever the file's",
        "prices": "USD per million tokens, before LiteLLM's table. A name is the provider's model or `provider/model`, "
        "and may hold one `*`",
        "timeouts": "limits in seconds",
        "telemetry": "what is told of requests, and to whom",
        "retries": "what is done when a provider fails before the client got anything",
    },
    "Server": {
        "host": "the address to listen on. Without `auth` only loopback is allowed. `--host` goes before",
        "port": "the port to listen on; 0 takes a free one. `--port` goes before",
        "max_body_mb": "the largest request body, in MiB",
        "max_answer_mb": "the largest answer without `stream`, in MiB; a larger one is a 502, its provider is closed: "
        "[limits.md](limits.md#provider-answers)",
        "max_inflight_mb": "MiB that the bodies of all requests and what they are parsed into may take, until their "
        "answers begin; more is a 503 with `Retry-After`. One of several keys may take half. 512 when left out, or "
        "16 times `max_body_mb` where that is more: [limits.md](limits.md)",
        "max_streams": "requests in flight, counted from when their bodies are there",
        "max_queued": "how many more may wait for a place; one more is a 503 with `Retry-After`. Holds for targets "
        "with `max_streams` too",
        "queue_seconds": "how long they may wait; then a 503 too",
        "keep_alive": "seconds of silence towards the client of a stream before a `: keep-alive` comment goes out",
        "drain_seconds": "what streams get to end in after SIGTERM; then they end with an error event",
        "cors_origins": "origins of web pages that may use the gateway",
        "trusted_proxies": "addresses and networks of proxies in front, whose `X-Forwarded-For` or `Forwarded` tells "
        "the client's address for logs and spans. Nobody is let in by it",
    },
    "Auth": {"keys": "the keys that clients may use; every request but the probes needs one"},
    "Key": {
        "name": "shown in the access log",
        "key": "the key itself, at least 8 characters, from the environment (`${TEAM_A_KEY}`); or give `sha256`",
        "sha256": 'the key\'s SHA-256 in hex, in place of `key`: ``printf %s "$KEY" | sha256sum``',
        "models": "globs over the model names that the key may use",
        "admin": "may cancel other keys' requests, read `/metrics` and use `/admin`",
    },
    "Provider": {
        "api": "the wire format: `openai` (any server of that format), `anthropic`, `gemini`, or `litellm` for every "
        "other provider. Known for the three names",
        "api_key": "the provider's key. Needed, but where `base_url` is given",
        "base_url": "as in the provider's own SDK. Known for the three names: `https://api.openai.com/v1`, "
        "`https://api.anthropic.com`, `https://generativelanguage.googleapis.com`",
        "include_usage": "false for OpenAI-format servers that refuse `stream_options`",
        "trace_context": "whether calls carry the trace's context; when left out only those to this machine and to "
        "private networks",
        "options": "for `api: litellm`: LiteLLM's named parameters (`api_base`, `api_version`, `aws_region_name`, …)",
    },
    "Otlp": {
        "endpoint": "the base of both signals: `/v1/traces` and `/v1/metrics` are added. "
        "http://localhost:4318 when left out",
        "traces_endpoint": "the full URL for traces, before `endpoint`",
        "metrics_endpoint": "the full URL for metrics, before `endpoint`",
        "protocol": "`grpc` needs more: `pip install 'sluice-gateway[grpc]'`",
        "headers": "sent with each export; values best from the environment",
        "timeout": "seconds for one export",
    },
    "Telemetry": {
        "service_name": "`service.name`",
        "resource": "further resource attributes, such as `deployment.environment.name: prod`",
        "traces": "one or several; when left out `otlp` where an endpoint is known, else none",
        "metrics": "`prometheus` shows them on `/metrics`, `otlp` pushes them; one or both",
        "otlp": "where OTLP goes, and how",
        "sample": "share of traces that are kept where the caller has not decided. Metrics and log lines count every "
        "request",
        "content": "`redacted` puts messages on the chat span, behind the policies",
        "content_chars": "characters of each text there",
        "trace_context": "what a caller's `traceparent` is: our span's `parent`, a `link`, or nothing (`ignore`, for "
        "gateways that strangers reach: with `parent` they decide what is sampled)",
        "baggage": "keys of a caller's baggage that become attributes of the SERVER and chat spans, such as "
        "`session.id`",
        "compat": "adds what single backends want spelled their way",
    },
    "Model": {
        "target": _TARGET,
        "targets": "in place of `target`, several that can serve the model: each `provider/model`, or a mapping with "
        "`target` and more",
        "strategy": "which target is first: [routing.md](routing.md)",
        "fallbacks": "other models that serve the request when these targets cannot. The policies stay those of the "
        "model that was asked for. Also for keys that may not ask for these by name",
        "policies": "ids of `policies`, in the place of `default_policies`. They act in a fixed order",
        "drop_params": "drop parameters that the provider lacks; otherwise such a request is a 400 that names the "
        "parameter",
        "engine": "`litellm` sends the calls of a native provider through LiteLLM",
        "whole": "`native` asks the provider for a whole answer where the client did. Otherwise the provider streams "
        "and the gateway joins, so that a client that leaves stops it",
    },
    "Target": {
        "target": _TARGET,
        "weight": "its share of the requests under `strategy: weighted`",
        "max_streams": "requests that it serves at once; more wait (`server.max_queued`, `server.queue_seconds`) or go "
        "elsewhere",
        "whole": "goes before the model's",
        "context_window": "tokens of prompt that it takes. LiteLLM's table knows it; say it for models of your own",
        "supports": "what it can do. LiteLLM's table knows it; say it for models of your own",
    },
    "Prices": {
        "input": "tokens of the prompt",
        "output": "tokens of the answer",
        "cached": "tokens read from the provider's cache; as `input` when left out",
        "cache_write": "tokens written to the provider's cache; as `input` when left out",
        "reasoning": "tokens of thoughts; as `output` when left out",
    },
    "Timeouts": {
        "body": "the client's whole body, and one second more for each 32 KiB that came",
        "connect": "reaching the provider",
        "first_token": "until the answer's first text, call or refusal; comments, pings and empty events are none",
        "idle": "silence of a provider whose answer has begun; any bytes of it end that, comments and pings too",
        "write": "a client that does not read; then its connection is dropped",
        "total": "the whole request, from when its body is there",
    },
    "Retries": {
        "attempts": "for each model, the first one counted; a fallback has its own",
        "backoff": "how long to wait before a target is asked again",
        "cooldown": "when to leave a failing target alone",
        "budget": "the share of a provider's requests that may be retries, beyond a first ten",
    },
    "Backoff": {
        "initial": "seconds before the same target is tried again: doubled each time, a random half of it taken off",
        "max": "the longest wait in seconds. A `Retry-After` of up to so long is waited for",
    },
    "Cooldown": {
        "failures": "the fewest failures within `window` that count: [routing.md](routing.md)",
        "share": "the least share of the attempts within `window` that must have failed",
        "window": "seconds for which an attempt counts",
        "seconds": "how long the target is left alone; then a few requests try it",
    },
    "Simulator": {"port": "where it listens; point `base_url`s at it"},
    "RedactConfig": {
        "rules": "what to find, in order: of two matches that are equally long the earlier rule's counts",
        **_ON_A_RULE,
    },
    "RuleConfig": {
        "name": "shown in the record, never the text; `#1`, `#2`, … when left out",
        "entity": "a built-in rule, or a set of them: `pii`, `secrets`, `dangerous_code`",
        "words": "words to find",
        "words_file": "a file with one word a line, relative to the configuration's folder; all "
        "lists of a configuration may have 50 MiB together",
        "regex": "a pattern, as in Python's `re`",
        **_ON_A_RULE,
    },
    "TokenCapConfig": {
        "max_tokens": "tokens of the answer: content, refusal and tool arguments. The cut is exact and the same "
        "however the provider cuts its chunks",
        "max_reasoning_tokens": "tokens of thoughts that can be seen",
        "max_chunks": "pieces of text from the provider; long ones count once for each 512 characters",
        "max_seconds": "from when the request is ready for the provider; ends every choice",
        "on_exceed": "`flag` lets all pass and tells it on the record",
    },
    "CostCapConfig": {"max_usd": "what a request may cost, in dollars"},
    "JsonGuardConfig": {
        "on_invalid": "`stop` ends the answer with `content_filter` at the first character that can no longer become "
        "valid JSON, or that breaks the schema's `type`, `required`, `enum` or `additionalProperties`; `retry` holds "
        "the answer back, checks it whole, asks again when it is wrong and sends only a right one; `flag` only "
        "tells it on the record",
        "attempts": "for `retry`: how often the provider is asked in all; then the client gets a 502 `rejected`",
        "when": "`always` checks every answer, `json_requests` those to requests with a JSON `response_format`",
        "strip_fence": "take a Markdown fence off the JSON",
    },
}


def describe(model: type[BaseModel], key: str) -> str:
    """What a model's key means; "" when nothing says it."""
    said = model.model_fields[key].description
    return said if said is not None else DESCRIPTIONS.get(model.__name__, {}).get(key, "")
