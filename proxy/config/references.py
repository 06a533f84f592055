"""What must hold between several values of a configuration: every name refers to something, nothing contradicts.

Rule: these checks read the plain data, not the models, so that they find what they can in a file whose models are
broken elsewhere; a value of the wrong type is the models' business and passes here.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from policies.base import PolicyType
from proxy.accounting.pricing.models import has_price
from proxy.config.fields import is_loopback
from proxy.config.links import Links
from proxy.config.names import close_to, did_you_mean
from proxy.config.plain import items, mapping
from proxy.config.problems import MAX_FAULTS, ConfigIssue, Path
from proxy.config.providers import LITELLM_OPTIONS
from proxy.config.routes import models, targets_of
from proxy.config.wildcards import Wildcards
from proxy.formats.registry import FORMATS, NAMED

_PROVIDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_POLICY_ID = re.compile(r"([a-z][a-z0-9_]{0,63})/([A-Za-z0-9][A-Za-z0-9._-]{0,63})", re.ASCII)


def check(data: Mapping[str, Any], types: Mapping[str, PolicyType]) -> Iterator[ConfigIssue]:
    """All that is wrong between the values of a file. `types` are the known policy types."""
    yield from _listener(data)
    yield from _client_keys(data)
    for name, provider in mapping(data, "providers").items():
        yield from _provider(name, provider)
    yield from models(data)
    yield from _policy_ids(data, types)
    yield from _prices(data, types)


def exposure(host: str, has_auth: bool) -> str | None:
    """Why a gateway must not listen on a host, as the end of a sentence that begins with it; None if it may."""
    if has_auth or is_loopback(host):
        return None
    return "is reachable from other machines and there are no keys: add `auth.keys`, or use 127.0.0.1"


# ---- server and auth
def _listener(data: Mapping[str, Any]) -> Iterator[ConfigIssue]:
    server = mapping(data, "server")
    has_auth = data.get("auth") is not None
    host = server.get("host")
    if isinstance(host, str) and (fault := exposure(host, has_auth)):
        yield ConfigIssue(("server", "host"), fault)
    most, body = server.get("max_inflight_mb"), server.get("max_body_mb", 20)
    if _is_number(most) and _is_number(body) and most < 8 * body:
        message = f"is less than eight times max_body_mb: the largest body would not fit; give {8 * body:g} or more"
        yield ConfigIssue(("server", "max_inflight_mb"), message)
    for index, origin in enumerate(items(server, "cors_origins")):
        if origin == "*" and not has_auth:
            message = '"*" lets any web page use a gateway without keys: list the origins, or add `auth.keys`'
            yield ConfigIssue(("server", "cors_origins", index), message)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _client_keys(data: Mapping[str, Any]) -> Iterator[ConfigIssue]:
    names: dict[str, int] = {}
    digests: dict[str, int] = {}
    for index, key in enumerate(items(mapping(data, "auth"), "keys")):
        if not isinstance(key, dict):
            continue
        path: Path = ("auth", "keys", index)
        given = [field for field in ("key", "sha256") if key.get(field) is not None]
        if len(given) != 1:
            yield ConfigIssue(path, "needs exactly one of `key` and `sha256`")
        name = key.get("name")
        if isinstance(name, str) and names.setdefault(name, index) != index:
            yield ConfigIssue((*path, "name"), f"is the name of keys[{names[name]}] too: names must differ")
        for field in given:
            digest = _digest(key[field], field)
            if digest and digests.setdefault(digest, index) != index:
                yield ConfigIssue((*path, field), f"is the same key as keys[{digests[digest]}]: keys must differ")


def _digest(value: Any, field: str) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    return hashlib.sha256(value.encode()).hexdigest() if field == "key" else value.lower()


# ---- providers
def _provider(name: str, provider: Any) -> Iterator[ConfigIssue]:
    path: Path = ("providers", name)
    if not _PROVIDER_NAME.fullmatch(name):
        yield ConfigIssue(path, "a provider's name is letters, digits, '.', '_' and '-', at most 64", "key")
    if not isinstance(provider, dict):
        return
    api = provider.get("api") if provider.get("api") is not None else name
    if provider.get("api") is None and name not in NAMED:
        message = f"needs `api`: {', '.join(FORMATS)}; only the names {', '.join(NAMED)} say it themselves"
        yield ConfigIssue((*path, "api"), message)
        return
    if not isinstance(api, str) or api not in FORMATS:
        return
    yield from _address(path, name, provider, api)
    if provider.get("include_usage") is not None and not FORMATS[api].include_usage:
        yield ConfigIssue((*path, "include_usage"), "is for OpenAI-format servers only: leave it out")
    yield from _options(path, provider, api)


def _address(path: Path, name: str, provider: Mapping[str, Any], api: str) -> Iterator[ConfigIssue]:
    base_url = provider.get("base_url")
    if api == "litellm":
        if base_url is not None and "api_base" in mapping(provider, "options"):
            yield ConfigIssue((*path, "base_url"), "is given as `options.api_base` too: keep one")
        return
    if base_url is None and api == "openai" and name != "openai":
        yield ConfigIssue(
            (*path, "base_url"), "is missing: give the server's address, such as http://127.0.0.1:11434/v1"
        )
    elif base_url is None and provider.get("api_key") is None:
        yield ConfigIssue(
            (*path, "api_key"), f"is missing: the provider needs a key, such as ${{{api.upper()}_API_KEY}}"
        )
    ending = FORMATS[api].version
    if ending and isinstance(base_url, str) and base_url.rstrip("/").endswith(ending):
        yield ConfigIssue((*path, "base_url"), f"must end before {ending}: the gateway adds it")


def _options(path: Path, provider: Mapping[str, Any], api: str) -> Iterator[ConfigIssue]:
    options = mapping(provider, "options")
    if options and api != "litellm":
        yield ConfigIssue((*path, "options"), "are for `api: litellm` only: leave them out")
        return
    for option, value in options.items():
        place: Path = (*path, "options", option)
        if option == "api_key":
            yield ConfigIssue(place, "goes in the provider's own `api_key`", "key")
        elif option not in LITELLM_OPTIONS:
            yield ConfigIssue(place, f"unknown option{did_you_mean(option, sorted(LITELLM_OPTIONS))}", "key")
        elif not isinstance(value, str | int | float):
            yield ConfigIssue(place, "must be text, a number, or true or false")


# ---- policies
def _policy_ids(data: Mapping[str, Any], types: Mapping[str, PolicyType]) -> Iterator[ConfigIssue]:
    known = mapping(data, "policies")
    for policy_id in known:
        path: Path = ("policies", policy_id)
        match = _POLICY_ID.fullmatch(policy_id)
        if not match:
            yield ConfigIssue(path, "must be `type/name`, such as redact/pii", "key")
        elif match[1] not in types:
            yield ConfigIssue(path, f"unknown policy type {match[1]!r}{did_you_mean(match[1], types)}", "key")
    if not isinstance(data.get("policies", {}), dict):
        return
    meant = dict.fromkeys([*known, *_corrected(known, types)])
    yield from _policy_list(items(data, "default_policies"), ("default_policies",), meant)
    for name, model in mapping(data, "models").items():
        if isinstance(model, dict):
            yield from _policy_list(items(model, "policies"), ("models", name, "policies"), meant)


def _corrected(known: Iterable[str], types: Mapping[str, PolicyType]) -> Iterator[str]:
    """What policies of a mistyped type were meant to be called. They may be named so: that the type is wrong is told of
    the policy, and the other correction would contradict it."""
    close: dict[str, list[str]] = {}
    for policy_id in known:
        type_name, slash, name = policy_id.partition("/")
        if type_name in types or (type_name not in close and len(close) >= MAX_FAULTS):
            continue
        if type_name not in close:
            close[type_name] = close_to(type_name, types, most=1)
        for meant in close[type_name]:
            yield f"{meant}{slash}{name}"


def _policy_list(ids: Sequence[Any], path: Path, known: Collection[str]) -> Iterator[ConfigIssue]:
    seen: set[str] = set()
    for index, policy_id in enumerate(ids):
        if not isinstance(policy_id, str):
            continue
        if policy_id in seen:
            yield ConfigIssue((*path, index), "is listed twice: keep one")
        elif policy_id not in known:
            yield ConfigIssue((*path, index), f"unknown policy{did_you_mean(policy_id, known)}")
        seen.add(policy_id)


# ---- prices
def _prices(data: Mapping[str, Any], types: Mapping[str, PolicyType]) -> Iterator[ConfigIssue]:
    given = mapping(data, "prices")
    for name in given:
        if name.count("*") > 1:
            yield ConfigIssue(("prices", name), "the name holds more than one *: use one", "key")
    known, priced = mapping(data, "models"), Wildcards(given)
    links, seen = Links(known), set[str]()
    shared = _needs_price(items(data, "default_policies"), types)
    for name, model in known.items():
        own = isinstance(model, dict) and model.get("policies") is not None
        needy = _needs_price(items(model, "policies"), types) if own else shared
        for served in links.reached(name, seen) if needy else ():
            for path, target in targets_of(served, known.get(served)):
                provider_name, slash, wanted = target.partition("/")
                if not slash or "*" in target or has_price(priced, provider_name, wanted):
                    continue  # what a * takes is known only with a request: the policy refuses that one
                message = (
                    f"has no known price, which {needy} needs: add `{wanted}: {{input: …, output: …}}` to `prices`"
                )
                yield ConfigIssue(path, message)


def _needs_price(used: Sequence[Any], types: Mapping[str, PolicyType]) -> str | None:
    """The first of some policies that works with known prices only."""
    for policy_id in used:
        kind = types.get(policy_id.partition("/")[0]) if isinstance(policy_id, str) else None
        if kind is not None and kind.needs_price:
            return str(policy_id)
    return None
