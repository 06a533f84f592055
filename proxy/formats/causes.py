"""Whose affair a provider's refusal is: one table from status, type, code and message to a cause.

| cause | what it is | next attempt | the client gets |
|---|---|---|---|
| `request` | the request itself is wrong | none | the provider's status and reason |
| `moderation` | the provider's filter refused the prompt | none | the provider's status and reason |
| `length` | the prompt is too long for the model | other targets | 400 `context_length_exceeded`, the reason |
| `route` | this route cannot do what the request asks | other targets | the provider's status and reason |
| `model` | the provider does not know the model | other targets | 404 `model_not_found`, our words |
| `key` | the gateway's key is not accepted | other targets | 502 `provider_auth_error`, our words |
| `account` | credit, quota or location of our account | other targets | 502 `provider_account_error`, our words |
| `limit` | too many requests, or a conflict | the same or another target | the provider's status and reason |
| `provider` | the provider failed | the same or another target | 502, 503 or 504, our words |

Rule: the first row that fits counts. A row fits when the status is one of its own and its words stand in the error's
type, code or message. Nobody's health suffers from a refusal that is about one request: only `provider` speaks against
a target.

Sources of the words: the vendors' error references and the messages of OpenAI, Azure, Anthropic, Gemini, Bedrock, xAI,
Mistral, Groq, Together, OpenRouter, DeepSeek, Moonshot, Qwen, Cohere, vLLM, SGLang, llama.cpp, Ollama and LM Studio.
"""

import re
from dataclasses import dataclass
from typing import Final

from proxy.errors import Cause

MAX_WORDS: Final = 2000
"""Characters of an error's message that are looked at."""


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Row:
    cause: Cause
    statuses: frozenset[int] | None
    words: re.Pattern[str] | None


_REFUSED: Final = frozenset({400, 413, 422})
_REFUSED_OR_FAILED: Final = _REFUSED | {500}  # llama.cpp and Ollama fail with 500 for some prompts
_FORBIDDEN: Final = frozenset({401, 402, 403})

_LENGTH: Final = _any(
    r"context_length_exceeded|exceed_context_size|model_max_prompt_tokens_exceeded",
    r"prompt (?:is )?too long|prompt exceeds max length|input is too long",
    r"(?:maximum|max) (?:context|prompt|model) length",
    r"context (?:length|window|size|limit).{0,40}(?:exceed|overflow|is only|of only)",
    r"exceed\w*.{0,60}(?:context|model token limit|maximum number of tokens)",
    r"longer than the (?:model's context|maximum model) length",
    r"(?:is greater|are greater) than the context length|range of input length should be",
    r"too many (?:input )?tokens\b(?!.{0,20}per )|`inputs` (?:tokens|must have)",
    r"reduce the length of (?:the|your) (?:messages|prompt|input)",
)
_RATE: Final = _any(r"tokens per (?:minute|day)|requests per (?:minute|day)|\bTPM\b|\bRPM\b|rate_limit_exceeded")
_ACCOUNT: Final = _any(
    r"insufficient_(?:quota|balance|credits?)|billing_(?:error|hard_limit_reached|not_active)|credit_balance",
    r"credit balance is too low|insufficient (?:balance|credits?|quota|funds)|exceeded your current quota",
    r"(?:billing|payment) (?:is )?(?:required|not (?:active|enabled))",
    r"account (?:is )?(?:suspended|deactivated|disabled)",
    r"(?:user )?location is not supported|unsupported_country|country, region,? or territory not supported",
    r"(?:enable|requires?) billing|never purchased credits|requires more credits|out of credits|arrears",
)
_KEY: Final = _any(r"API_KEY_(?:INVALID|EXPIRED|SERVICE_BLOCKED)|API key (?:not valid|expired)|invalid_api_key")
_MODERATION: Final = _any(
    r"moderation|flagged|content[_ ](?:policy|filter|management)|responsible_?ai|safety (?:system|guidelines?|check)",
    r"data_inspection_failed|sensitive|inappropriate content|usage polic",
)
_ROUTE: Final = _any(
    r"no (?:allowed |available |matching )?(?:endpoints?|providers?|routes?|deployments?) (?:\w+ ){0,3}?"
    r"(?:found|available|support|match)",
    r"(?:does not|doesn't|do not) support (?:tools?|function|image|audio|vision|file|json|structured|streaming|system)",
)

_ROWS: Final[tuple[_Row, ...]] = (
    _Row("key", frozenset({400}), _KEY),
    _Row("account", frozenset({400, 402, 403, 429}), _ACCOUNT),
    _Row("limit", frozenset({413}), _RATE),  # Groq: a request over the account's tokens a minute
    _Row("length", _REFUSED_OR_FAILED, _LENGTH),
    _Row("moderation", frozenset({403}), _MODERATION),
    _Row("route", frozenset({403, 404}), _ROUTE),
    _Row("account", frozenset({402}), None),
    _Row("key", _FORBIDDEN, None),
    _Row("model", frozenset({404, 410}), None),
    _Row("moderation", _REFUSED, _MODERATION),
    _Row("request", _REFUSED, None),
    _Row("limit", frozenset({408, 409, 429}), None),
)


def cause(status: int, *said: str | None) -> Cause:
    """The cause of an error with this HTTP status, of which the provider `said` a type, a code and a message."""
    words = " ".join(word for word in said if word)[:MAX_WORDS]
    for row in _ROWS:
        if (row.statuses is None or status in row.statuses) and (row.words is None or row.words.search(words)):
            return row.cause
    return "provider"
