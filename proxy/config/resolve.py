"""The name that a client asks for -> the model's entry, its targets, and its fallbacks.

Rule: an exact name wins, else the wildcard with the most literal characters (of two alike, the one with the longer
beginning). What a `*` takes can end up in a URL path, so its characters are few, and it never makes a path segment of
dots.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from proxy.config.models import Api, Config, Model, Provider, Target
from proxy.config.names import MAX_NAME, close_to, model_name_fault
from proxy.config.providers import api_of
from proxy.config.wildcards import Wildcards
from proxy.formats.registry import FORMATS

_TAKEN = re.compile(r"[A-Za-z0-9._:@-]+")
_TAKEN_WITH_SLASH = re.compile(r"[A-Za-z0-9._:@/-]+")


@dataclass(frozen=True, slots=True)
class ResolvedTarget:
    """One target of a model. `model` is the provider's name of the model with its `*` filled in, `api` the wire format,
    `settings` the entry that the target stands in, `target` its own. `name` is `provider/model`."""

    provider_name: str
    provider: Provider
    api: Api
    model: str
    settings: Model
    target: Target
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{self.provider_name}/{self.model}")


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a name stands for. `alias` is the name asked for, `pattern` the configuration's entry that took it, `places`
    its targets, at least one."""

    alias: str
    pattern: str
    settings: Model
    places: tuple[ResolvedTarget, ...]


def resolve(config: Config, name: str) -> Resolved | None:
    """What a model's name stands for; None if nothing."""
    for pattern, taken in entries(Wildcards(config.models), name):
        settings = config.models[pattern]
        places = tuple(place for target in settings.places if (place := _place(config, settings, target, taken)))
        if places:
            return Resolved(name, pattern, settings, places)
    return None


def fallbacks(config: Config, resolved: Resolved) -> list[Resolved]:
    """The models that serve a request when `resolved` cannot, its own first, then theirs; none twice."""
    found: dict[str, Resolved] = {resolved.alias: resolved}
    waiting = list(resolved.settings.fallbacks)
    while waiting:
        name = waiting.pop(0)
        if name not in found and (fallback := resolve(config, name)):
            found[name] = fallback
            waiting += fallback.settings.fallbacks
    return [*found.values()][1:]


def entries(names: Wildcards, name: str) -> list[tuple[str, str]]:
    """The entries that take `name`, best first, each with what its `*` takes (nothing without one)."""
    if "*" in name or len(name) > MAX_NAME:
        return []
    if name in names:
        return [(name, "")]
    found = [(pattern, taken) for pattern, taken in names.taking(name) if taken]
    return sorted(found, key=lambda row: _literal(row[0]), reverse=True)


def close_names(config: Config, name: str, allowed: Callable[[str], bool]) -> list[str]:
    """Up to three model names close to an unknown one, of those that are `allowed`."""
    return close_to(name, (known for known in config.models if allowed(known)))


def _literal(pattern: str) -> tuple[int, int]:
    return len(pattern), pattern.index("*")


def _place(config: Config, settings: Model, target: Target, taken: str) -> ResolvedTarget | None:
    """A target with its `*` filled in; None if what was taken is not for it."""
    provider_name, _, wanted = target.target.partition("/")
    provider = config.providers[provider_name]
    api = api_of(provider_name, provider)
    allowed = _TAKEN_WITH_SLASH if FORMATS[api].slashes else _TAKEN
    if taken and not allowed.fullmatch(taken):
        return None
    model = wanted.replace("*", taken)
    if model_name_fault(model):
        return None
    if target.whole is not None:
        settings = settings.model_copy(update={"whole": target.whole})
    return ResolvedTarget(provider_name, provider, api, model, settings, target)
