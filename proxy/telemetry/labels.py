"""What a metric may be labelled with: closed sets, known from the configuration.

Rule: nothing that a client or a provider chooses becomes a label; what is not in its set is `_OTHER`. What a wildcard
took counts as the wildcard.
"""

from functools import lru_cache

from proxy.config.models import Config
from proxy.config.resolve import resolve
from proxy.telemetry.names import OTHER
from proxy.telemetry.providers import described

CODES = frozenset(
    {"invalid_api_key", "forbidden", "not_found", "model_not_found", "model_not_allowed", "stream_not_found"}
    | {"host_not_allowed", "origin_not_allowed", "unsupported_content_type", "request_too_large", "invalid_body"}
    | {"forwarded_without_keys", "no_descriptors"}
    | {"unsupported_parameter", "invalid_json_schema", "overloaded", "shutting_down", "internal_error"}
    | {"upstream_error", "upstream_timeout", "upstream_died", "connect_error", "connect_timeout", "tls_error"}
    | {"empty_answer", "event_too_large", "answer_too_large", "provider_auth_error", "rejected", "policy_error"}
    | {"no_target", "key_cooldown", "unsupported_request", "no_price", "malformed_event"}
    | {"rate_limit_exceeded", "budget_exceeded", "concurrency_limit", "insufficient_quota"}
    | {"context_length_exceeded", "rate_limit_error", "overloaded_error", "server_error", "api_error"}
    | {"invalid_request_error", "missing_required_parameter", "invalid_type", "unsupported_value", "provider_error"}
    | {"slow_request", "head_too_large", "method_not_allowed", "unknown_provider"}
)
"""Errors that are told by their own name: ours, and those that providers are known to send."""


class Labels:
    """The closed sets of one configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.alias = lru_cache(maxsize=1024)(self._alias)
        """The entry of `models` that takes a name."""
        self.target = lru_cache(maxsize=1024)(self._target)
        """Provider and model, as `gen_ai.…`, of the target that an attempt (api, provider, model) was made
        at."""
        self._targets = [_split(target) for target in targets(config)]

    def provider(self, name: str) -> str:
        """A configured provider's name."""
        return name if name in self._config.providers else OTHER

    def _alias(self, name: str) -> str:
        if not name:
            return ""
        found = resolve(self._config, name)
        return OTHER if found is None else found.pattern

    def _target(self, api: str, provider: str, model: str) -> tuple[str, str]:
        if (provider, model) in self._targets:
            return described(api, provider, model)
        for name, pattern in self._targets:
            before, star, after = pattern.partition("*")
            if star and name == provider and model.startswith(before) and model.endswith(after):
                return described(api, provider, pattern)
        return OTHER, OTHER


def targets(config: Config) -> list[str]:
    """Every target that the configuration has, as `provider/model`."""
    return [place.target for model in config.models.values() for place in model.places]


def error_type(code: str | None, status: int | None) -> str:
    """What went wrong, as `error.type`: a known code, else the HTTP status; "" when nothing did."""
    if code in CODES:
        return code or ""
    if status is not None and status >= 400:
        return str(status)
    return OTHER if code else ""


def _split(target: str) -> tuple[str, str]:
    provider, _, model = target.partition("/")
    return provider, model
