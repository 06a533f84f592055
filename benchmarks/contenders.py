"""The servers that `scripts/bench gateway` compares, and their setup.

All answer the same request in OpenAI's format. They differ only in the server between client and provider.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks import peers
from benchmarks.environments import LITELLM
from benchmarks.load import Ask
from benchmarks.redact import custom, made_up_words
from benchmarks.servers import Process, bare, gateway, nginx, otlp_sink

PATH = "/v1/chat/completions"
Run = Callable[[str], contextlib.AbstractContextManager[Process | None]]
"""Starts the contender in front of an upstream's URL. Yields None if the upstream itself is measured.

Raises `Missing` if it is not available.
"""


@dataclass(frozen=True, slots=True)
class Contender:
    """A server under measurement.

    `prefix` precedes the simulator's model names. `sustained` means that the maximum number of streams on a core is
    measured too.
    """

    name: str
    run: Run
    prefix: str = ""
    sustained: bool = True


def ask(url: str, model: str, *, stream: bool = True, prompt: str = "hello") -> Ask:
    """Make a chat completion request."""
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": prompt}]}
    return Ask(url, PATH, {"authorization": f"Bearer {peers.KEY}"}, body)


DEFAULT_POLICIES = """
default_policies: [redact/pii, redact/secrets]
policies:
  redact/pii: {rules: [{name: pii, entity: pii}]}
  redact/secrets: {rules: [{name: secrets, entity: secrets}]}
"""


def everything() -> str:
    """Configure all entities, 100 patterns, 10,000 words in `words.txt`, and a token cap that is never reached."""
    rules = [{"name": name, "entity": name} for name in ("pii", "secrets", "dangerous_code")]
    rules += [{"name": str(rule["name"]), "regex": str(rule["regex"])} for rule in custom(100)]
    rules.append({"name": "words", "words_file": "words.txt"})
    policies = {"redact/all": {"rules": rules}, "token_cap/far": {"max_tokens": 100_000}}
    return f"default_policies: [redact/all, token_cap/far]\npolicies: {json.dumps(policies)}\n"


def words() -> dict[str, str]:
    """Make the file of 10,000 words."""
    return {"words.txt": "\n".join(made_up_words(10_000))}


@contextlib.contextmanager
def with_everything(upstream: str, telemetry: bool = False) -> Iterator[Process]:
    """Start Sluice with everything. With `telemetry`, every request is also traced to a live OTLP sink."""
    if not telemetry:
        with gateway(upstream, everything(), files=words()) as server:
            yield server
        return
    with otlp_sink() as sink:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
        more = "telemetry: {service_name: bench, traces: otlp}\n"
        with gateway(upstream, everything() + more, files=words(), environ=environ) as server:
            yield server


LITELLM_FILTER = [peers.prebuilt(name) for name in ("email", "visa", "us_ssn", "aws_access_key", "github_token")]


def contenders(telemetry: bool) -> list[Contender]:
    """List all contenders except `direct`, in the order of the table."""
    litellm = LITELLM.replace("litellm[proxy]==", "LiteLLM ")
    default = partial(gateway, extra=DEFAULT_POLICIES)
    full = partial(with_everything, telemetry=telemetry)
    named = "everything and tracing" if telemetry else "everything"
    return [
        Contender("nginx, unbuffered", nginx),
        Contender("bare uvicorn and aiohttp", bare),
        Contender("Sluice, no policy", gateway, "openai-"),
        Contender("Sluice, no policy, Anthropic", gateway, "anthropic-", sustained=False),
        Contender("Sluice, no policy, Gemini", gateway, "gemini-", sustained=False),
        Contender("Sluice, default policies", default, "openai-"),
        Contender(f"Sluice, {named}", full, "openai-"),
        Contender(f"Sluice, {named}, Anthropic", full, "anthropic-", sustained=False),
        Contender(f"Sluice, {named}, Gemini", full, "gemini-", sustained=False),
        Contender(f"{litellm}, no filter", peers.litellm, "openai-"),
        Contender(f"{litellm}, no filter, Anthropic", peers.litellm, "anthropic-", sustained=False),
        Contender(f"{litellm}, no filter, Gemini", peers.litellm, "gemini-", sustained=False),
        Contender(f"{litellm}, content filter", partial(peers.litellm, patterns=LITELLM_FILTER), "openai-"),
    ]
