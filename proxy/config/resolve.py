"""The name that a client asks for -> the model entry, the provider, and the provider's name of the model.

Rule: an exact name wins, else the wildcard with the most literal characters (of two alike, the one with the longer
beginning). What a `*` takes can end up in a URL path, so its characters are few, and it never makes a path segment of
dots.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from proxy.config.models import Api, Config, Model, Provider
from proxy.config.names import LONGEST_NAME, close_to, model_name_fault
from proxy.config.providers import api_of

_TAKEN = re.compile(r"[A-Za-z0-9._:@-]+")
_TAKEN_WITH_SLASH = re.compile(r"[A-Za-z0-9._:@/-]+")


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a name stands for. `alias` is the name asked for, `pattern` the configuration's entry that took it, `model`
    the provider's name of the model with its `*` filled in, `api` the wire format."""

    alias: str
    pattern: str
    provider_name: str
    provider: Provider
    api: Api
    model: str
    settings: Model


def resolve(config: Config, name: str) -> Resolved | None:
    """What a model's name stands for; None if nothing."""
    if "*" in name or len(name) > LONGEST_NAME:
        return None
    if name in config.models:
        return _resolved(config, name, name, "")
    for pattern in sorted((p for p in config.models if "*" in p), key=_literal, reverse=True):
        before, _, after = pattern.partition("*")
        if len(name) <= len(before) + len(after) or not name.startswith(before) or not name.endswith(after):
            continue
        found = _resolved(config, name, pattern, name[len(before) : len(name) - len(after)])
        if found:
            return found
    return None


def close_names(config: Config, name: str, allowed: Callable[[str], bool]) -> list[str]:
    """Up to three model names close to an unknown one, of those that are `allowed`."""
    return close_to(name, (known for known in config.models if allowed(known)))


def _literal(pattern: str) -> tuple[int, int]:
    return len(pattern), pattern.index("*")


def _resolved(config: Config, name: str, pattern: str, taken: str) -> Resolved | None:
    settings = config.models[pattern]
    provider_name, _, wanted = settings.target.partition("/")
    provider = config.providers[provider_name]
    api = api_of(provider_name, provider)
    allowed = _TAKEN_WITH_SLASH if api in ("openai", "litellm") else _TAKEN
    if taken and not allowed.fullmatch(taken):
        return None
    model = wanted.replace("*", taken)
    if model_name_fault(model):
        return None
    return Resolved(name, pattern, provider_name, provider, api, model, settings)
