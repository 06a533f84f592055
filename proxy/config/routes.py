"""What must hold of the models' targets and fallbacks: every name refers to something, no fallback leads back to where
it came from, and no setting is without effect.

Rule: as in `proxy.config.references`, the plain data is read, so a value of the wrong type passes here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.config.links import Links
from proxy.config.names import did_you_mean, model_name_fault
from proxy.config.plain import items, mapping
from proxy.config.problems import ConfigIssue, Path
from proxy.formats.registry import NAMED


def models(data: Mapping[str, Any]) -> Iterator[ConfigIssue]:
    """All that is wrong with `models`."""
    known = mapping(data, "models")
    links = Links(known)
    for name, model in known.items():
        path: Path = ("models", name)
        if fault := model_name_fault(name):
            yield ConfigIssue(path, f"the name {fault}", "key")
        elif name.count("*") > 1:
            yield ConfigIssue(path, "the name holds more than one *: use one", "key")
        if not isinstance(model, dict):
            continue
        yield from _choice(path, model)
        for place, target in targets_of(name, model):
            yield from _target(data, name, place, target)
        yield from _drop_params(data, name, model)
        yield from _fallbacks(known, links, name, model)
    yield from _limits(known)


def targets_of(name: str, model: Any) -> list[tuple[Path, str]]:
    """A model's targets as written, each with its path."""
    found: list[tuple[Path, str]] = []
    if isinstance(model, dict):
        given: list[tuple[Path, Any]] = [(("models", name, "target"), model.get("target"))]
        for index, target in enumerate(items(model, "targets")):
            path: Path = ("models", name, "targets", index)
            given.append((path, target) if isinstance(target, str) else ((*path, "target"), _named(target)))
        found = [(path, target) for path, target in given if isinstance(target, str)]
    return found


def _named(target: Any) -> Any:
    """What a target's mapping names."""
    return target.get("target") if isinstance(target, dict) else None


# ---- one model
def _choice(path: Path, model: Mapping[str, Any]) -> Iterator[ConfigIssue]:
    """Between one target and several."""
    given = [key for key in ("target", "targets") if model.get(key) is not None]
    if len(given) != 1:
        yield ConfigIssue(path, "needs exactly one of `target` and `targets`")
    targets = model.get("targets")
    if isinstance(targets, list) and not targets:
        yield ConfigIssue((*path, "targets"), "must not be empty")
    several = isinstance(targets, list) and len(targets) > 1
    if model.get("strategy") is not None and not several:
        yield ConfigIssue((*path, "strategy"), "has no effect with one target: leave it out, or give several `targets`")
    for index, target in enumerate(items(model, "targets")):
        place: Path = (*path, "targets", index)
        if not isinstance(target, dict) or target.get("weight") is None:
            continue
        if model.get("strategy") not in (None, "weighted"):
            yield ConfigIssue((*place, "weight"), f"has no effect with `strategy: {model['strategy']}`: leave it out")
        elif not several:
            yield ConfigIssue(
                (*place, "weight"), "has no effect with one target: leave it out, or give several `targets`"
            )
    yield from _twice(path, model)


def _twice(path: Path, model: Mapping[str, Any]) -> Iterator[ConfigIssue]:
    names = [target if isinstance(target, str) else _named(target) for target in items(model, "targets")]
    seen: set[str] = set()
    for index, wanted in enumerate(names):
        if isinstance(wanted, str) and wanted in seen:
            message = "is listed twice: keep one, with a larger `weight` if that is meant"
            yield ConfigIssue((*path, "targets", index), message)
        elif isinstance(wanted, str):
            seen.add(wanted)


def _target(data: Mapping[str, Any], name: str, path: Path, target: str) -> Iterator[ConfigIssue]:
    provider_name, slash, wanted = target.partition("/")
    providers = data.get("providers")
    if not slash or not provider_name or not wanted:
        yield ConfigIssue(path, "must be `provider/model`, such as openai/gpt-4o-mini")
        return
    if isinstance(providers, dict) and provider_name not in providers:
        yield ConfigIssue(path, f"names an unknown provider{did_you_mean(provider_name, providers)}")
    if fault := model_name_fault(wanted):
        yield ConfigIssue(path, f"the provider's model name {fault}")
    if wanted.count("*") > ("*" in name):
        only = "only one *" if "*" in name else "no *, because the model's name has none"
        yield ConfigIssue(path, f"may hold {only}")


def _drop_params(data: Mapping[str, Any], name: str, model: Mapping[str, Any]) -> Iterator[ConfigIssue]:
    if model.get("drop_params") is not True or model.get("engine", "native") != "native":
        return
    apis = [_api(data, target.partition("/")[0]) for _, target in targets_of(name, model)]
    if apis and all(api == "openai" for api in apis):
        message = "has no effect on an OpenAI-format target, which gets the client's own JSON: leave it out"
        yield ConfigIssue(("models", name, "drop_params"), message)


def _api(data: Mapping[str, Any], provider_name: str) -> Any:
    provider = mapping(mapping(data, "providers"), provider_name)
    return provider.get("api") or (provider_name if provider_name in NAMED else None)


def _limits(known: Mapping[str, Any]) -> Iterator[ConfigIssue]:
    """`max_streams` is a target's, wherever it is listed."""
    first: dict[str, tuple[Any, str]] = {}
    for name, model in known.items():
        for index, target in enumerate(items(model, "targets")):
            wanted, most = _named(target), target.get("max_streams") if isinstance(target, dict) else None
            if not isinstance(wanted, str) or most is None:
                continue
            said, where = first.setdefault(wanted, (most, f"models.{name}"))
            if said != most:
                path: Path = ("models", name, "targets", index, "max_streams")
                yield ConfigIssue(
                    path, f"is {said} for the same target in {where}: the limit is the target's, give one"
                )


# ---- fallbacks
def _fallbacks(known: Mapping[str, Any], links: Links, name: str, model: Mapping[str, Any]) -> Iterator[ConfigIssue]:
    seen: set[str] = set()
    for index, fallback in enumerate(items(model, "fallbacks")):
        if not isinstance(fallback, str):
            continue
        path: Path = ("models", name, "fallbacks", index)
        entry = links.entry(fallback)
        if "*" in fallback:
            yield ConfigIssue(path, "must be one model's name, without *")
        elif entry is None:
            yield ConfigIssue(path, f"unknown model{did_you_mean(fallback, known)}")
        elif fallback in seen:
            yield ConfigIssue(path, "is listed twice: keep one")
        elif links.leads_back(name, entry):
            way = "is the model itself" if entry == name else f"leads back to {name!r}"
            yield ConfigIssue(path, f"{way}, a loop: take one of its fallbacks out")
        seen.add(fallback)
