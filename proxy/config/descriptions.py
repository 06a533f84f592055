"""Descriptions of the configuration's keys, for editors (`proxy.config.schema`) and for docs/configuration.md.

Rule: every key has a description, here by its model's name or in the model as `Field(description=…)`. A test checks it.
A description is Markdown in whole sentences. It gives the effect of the key. Type and default come from the model.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel

_LABEL = "The label in place of a match. Without it and `mask` it is `[NAME]`."

_TARGET = (
    "`provider/model`. A `*` in it is the text that the name's `*` matched. For `api: litellm` the model is LiteLLM's, "
    "such as `azure/my-deployment`."
)

_KNOWN = "LiteLLM's table has it for known models. Set it for your own models."

_ON_A_RULE: Final[Mapping[str, str]] = {
    "action": "`redact` replaces the match. `hash` puts a keyed label, the same for the same value. `pseudonymize` "
    "puts stable placeholders into the request and the values back into the answer. `block` drops the held text and "
    "ends the answer with `content_filter`. `flag` only counts. Default: `redact`.",
    "replace": _LABEL,
    "mask": "One character in place of each character of a match. Use `•`, because Markdown reads `*`, `_` and `~` as "
    "markup.",
    "keep_last": "The number of characters at the end of a masked match that stay. Default: 0.",
    "channels": "The texts that the rule acts on. Default: all.",
    "direction": "`response` acts on answers. `request` acts on the client's messages before the provider sees them. "
    "`both` acts on both. Default: `response`.",
    "mode": "`shadow` changes and holds nothing. It counts what it would have done. Default: `enforce`.",
    "normalize": "Treat full-width letters, ligatures, combining marks and invisible characters as the characters that "
    "they stand for. Default: true.",
    "ignore_case": "For words: ignore upper and lower case. Default: true.",
    "whole_word": "For words: match only between word boundaries. Default: false.",
    "max_hold": "The maximum number of characters held for the rule. Default: 1024.",
    "on_overflow": "The end of text that is held longer. `closed` replaces it by a label. `open` releases it. Default: "
    "`closed`.",
    "hash_key": "The key for the labels of `action: hash`. Take it from the environment.",
}

DESCRIPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "Config": {
        "server": "The address and the limits of the gateway.",
        "auth": "The keys that clients need. Without it, every client on loopback may use the gateway, and no other.",
        "simulator": "The built-in simulator of the providers, started with the gateway on loopback. Default: none.",
        "providers": "The providers, by name. `openai`, `anthropic` and `gemini` have a wire format and an address. "
        "Every other name needs `api`.",
        "models": "The models, by the names that clients use. A name may have one `*`. The exact name wins, then the "
        "longest pattern.",
        "default_policies": "Ids of the policies for models without `policies` of their own.",
        "policies": "The policies, by id, `type/name`. They act in a fixed order, whatever their order in the file.",
        "prices": "USD per million tokens. They override LiteLLM's table. A name is the provider's model or "
        "`provider/model`, and may have one `*`.",
        "timeouts": "Time limits in seconds.",
        "telemetry": "Traces, metrics and log lines, and where they go.",
        "retries": "Attempts after a provider's failure, while the client has received nothing.",
    },
    "Server": {
        "host": "The address to listen on. Without `auth` only loopback is allowed. `--host` overrides it.",
        "port": "The port to listen on. 0 takes a free one. `--port` overrides it.",
        "max_body_mb": "The maximum size of a request body, in MiB.",
        "max_answer_mb": "The maximum size of an answer without `stream`, in MiB. A larger one is a 502, and the "
        "provider is closed: [limits.md](limits.md#provider-answers).",
        "max_inflight_mb": "The memory for the bodies of all requests and their parsed values, in MiB. A body counts "
        "until its answer begins. A request beyond it is a 503 with `Retry-After`. If there are several keys, one may "
        "take half. Default: 512, or 16 times `max_body_mb` if that is more: [limits.md](limits.md).",
        "max_streams": "The maximum number of requests in flight. A request counts from the arrival of its body.",
        "max_queued": "The maximum number of requests that wait for a place. A further one is a 503 with "
        "`Retry-After`. This holds for targets with `max_streams` too.",
        "queue_seconds": "The maximum wait for a place. After it the request is a 503.",
        "keep_alive": "Seconds of silence before the client of a stream gets a `: keep-alive` comment.",
        "drain_seconds": "Seconds that streams have to end after SIGTERM. Then they end with an error event.",
        "cors_origins": "Origins of web pages that may use the gateway.",
        "trusted_proxies": "Addresses and networks of proxies in front. Their `X-Forwarded-For` or `Forwarded` is the "
        "source of the client's address in logs and spans. It grants no access.",
    },
    "Auth": {"keys": "The keys of clients. Every request except the probes needs one."},
    "Key": {
        "name": "The name in the access log.",
        "key": "The key, of at least 8 characters. Take it from the environment (`${TEAM_A_KEY}`), or set `sha256`.",
        "sha256": 'The SHA-256 of the key in hex, in place of `key`: ``printf %s "$KEY" | sha256sum``.',
        "models": "Globs of the model names that the key may use.",
        "admin": "Allow the key to cancel other keys' requests, to read `/metrics` and to use `/admin`.",
    },
    "Provider": {
        "api": "The wire format. `openai` is any server of that format, and `litellm` every other provider. The names "
        "`openai`, `anthropic` and `gemini` have a default.",
        "api_key": "The provider's key. It is optional if `base_url` is set.",
        "base_url": "The base URL, as in the provider's own SDK. Defaults by name: `https://api.openai.com/v1`, "
        "`https://api.anthropic.com`, `https://generativelanguage.googleapis.com`.",
        "include_usage": "Set it to false for OpenAI-format servers that refuse `stream_options`.",
        "trace_context": "Send the trace's context to the provider. Default: only to this machine and to private "
        "networks.",
        "options": "For `api: litellm`: LiteLLM's named parameters (`api_base`, `api_version`, `aws_region_name`, …).",
    },
    "Otlp": {
        "endpoint": "The base URL of both signals. `/v1/traces` and `/v1/metrics` are added. Default: "
        "http://localhost:4318.",
        "traces_endpoint": "The full URL for traces. It overrides `endpoint`.",
        "metrics_endpoint": "The full URL for metrics. It overrides `endpoint`.",
        "protocol": "`grpc` needs an extra: `pip install 'sluice-gateway[grpc]'`.",
        "headers": "Headers of each export. Take their values from the environment.",
        "timeout": "The maximum seconds of one export.",
    },
    "Telemetry": {
        "service_name": "The attribute `service.name`.",
        "resource": "More resource attributes, such as `deployment.environment.name: prod`.",
        "traces": "One exporter or several. Default: `otlp` if an endpoint is known, otherwise none.",
        "metrics": "`prometheus` serves metrics on `/metrics`, and `otlp` pushes them.",
        "otlp": "The endpoint of OTLP, and its protocol.",
        "sample": "The share of traces that are kept if the caller has not decided. Metrics and log lines count every "
        "request.",
        "content": "`redacted` puts messages on the chat span, as the policies left them.",
        "content_chars": "The maximum number of characters of each such text.",
        "trace_context": "The role of a caller's `traceparent`. `parent` makes it the parent of our span, `link` links "
        "to it, and `ignore` ignores it. With `parent` the caller decides about sampling. Use `ignore` for gateways "
        "that strangers reach.",
        "baggage": "Keys of a caller's baggage that become attributes of the SERVER and chat spans, such as "
        "`session.id`.",
        "compat": "Backends that need additional attributes.",
    },
    "Model": {
        "target": _TARGET,
        "targets": "Several targets, in place of `target`. Each is `provider/model`, or a mapping with `target` and "
        "more keys.",
        "strategy": "The choice of the first target: [routing.md](routing.md#which-target-is-first).",
        "fallbacks": "Other models that serve the request if these targets cannot. The policies of the requested model "
        "stay in force. Keys need no permission for fallbacks.",
        "policies": "Ids of `policies`, in place of `default_policies`. They act in a fixed order.",
        "drop_params": "Drop parameters that the provider lacks. Without it such a request is a 400 that names the "
        "parameter.",
        "engine": "`litellm` sends the calls of a native provider through LiteLLM.",
        "whole": "For requests without `stream`. `stream` asks the provider to stream and joins the answer, so that a "
        "client that disconnects stops it. `native` asks the provider for an answer in one piece.",
    },
    "Target": {
        "target": _TARGET,
        "weight": "The share of requests under `strategy: weighted`.",
        "max_streams": "The maximum number of concurrent requests at this target. More wait (`server.max_queued`, "
        "`server.queue_seconds`) or use another target.",
        "whole": "Overrides `whole` of the model.",
        "context_window": f"The maximum number of tokens in a prompt. {_KNOWN}",
        "supports": f"The abilities of the model. {_KNOWN}",
    },
    "Prices": {
        "input": "Tokens of the prompt.",
        "output": "Tokens of the answer.",
        "cached": "Tokens read from the provider's cache. Default: `input`.",
        "cache_write": "Tokens written to the provider's cache. Default: `input`.",
        "reasoning": "Tokens of reasoning. Default: `output`.",
    },
    "Timeouts": {
        "body": "Arrival of the client's body, and one second more for each 32 KiB that came.",
        "connect": "Connecting to the provider.",
        "first_token": "Wait for the answer's first text, call or refusal. Comments, pings and empty events do not "
        "count.",
        "idle": "Silence of a provider whose answer has begun. Any bytes end the silence, comments and pings too.",
        "write": "A client that does not read. Then its connection is closed.",
        "total": "The whole request, from the arrival of its body.",
    },
    "Retries": {
        "attempts": "The maximum number of attempts for each model, with the first one. A fallback has its own.",
        "backoff": "The wait before a target is asked again.",
        "cooldown": "The conditions under which a failing target is left alone.",
        "budget": "The maximum share of retries in a key's requests to a provider, after the first ten.",
    },
    "Backoff": {
        "initial": "Seconds before the same target is asked again. The wait doubles each time, less a random part of "
        "up to half.",
        "max": "The maximum wait in seconds. A `Retry-After` of up to this time is waited for.",
    },
    "Cooldown": {
        "failures": "The minimum number of failures within `window`: "
        "[routing.md](routing.md#when-a-target-keeps-failing).",
        "share": "The minimum share of failures in the attempts within `window`.",
        "window": "Seconds for which an attempt counts.",
        "seconds": "Seconds for which the target is left alone. Then a few requests test it.",
    },
    "Simulator": {"port": "The port to listen on. Point `base_url`s at it."},
    "RedactConfig": {
        "rules": "The rules, in order. Of two matches with equal length, the earlier rule wins.",
        **_ON_A_RULE,
    },
    "RuleConfig": {
        "name": "The name in records and reports. Default: `#1`, `#2`, ….",
        "entity": "A built-in rule, or a set of them: `pii`, `secrets`, `dangerous_code`.",
        "words": "Words to find.",
        "words_file": "A file with one word per line, relative to the configuration's folder. All lists of a "
        "configuration may have 50 MiB together.",
        "regex": "A pattern in the syntax of Python's `re`.",
        **_ON_A_RULE,
    },
    "TokenCapConfig": {
        "max_tokens": "The maximum number of tokens of the answer: content, refusal and tool arguments. The cut is "
        "exact, however the provider cuts its chunks.",
        "max_reasoning_tokens": "The maximum number of tokens of visible reasoning.",
        "max_chunks": "The maximum number of text pieces from the provider. A long piece counts once for each 512 "
        "characters.",
        "max_seconds": "The maximum time, from the moment that the request is ready for the provider. It ends every "
        "choice.",
        "on_exceed": "`flag` passes everything and only records the excess.",
    },
    "CostCapConfig": {"max_usd": "The maximum cost of a request, in dollars."},
    "JsonGuardConfig": {
        "on_invalid": "`stop` ends the answer with `content_filter` at the first character that can no longer become "
        "valid JSON, or that breaks `type`, `required`, `enum` or `additionalProperties` of the schema. `retry` holds "
        "the answer, checks all of it, asks again if it is invalid, and sends only a valid one. `flag` only records "
        "it.",
        "attempts": "For `retry`: the maximum number of attempts. After them the client gets a 502 `rejected`.",
        "when": "`json_requests` checks answers to requests with a JSON `response_format`. `always` checks every "
        "answer.",
        "strip_fence": "Remove a Markdown fence around the JSON.",
    },
}


def describe(model: type[BaseModel], key: str) -> str:
    """Return the description of a model's key, "" if it has none."""
    said = model.model_fields[key].description
    return said if said is not None else DESCRIPTIONS.get(model.__name__, {}).get(key, "")
