"""What is right in a configuration and yet likely not meant: a line each, for `sluice check`.

Rule: a hint is given only where nothing else can be meant, or where what is meant is easily forgotten; never for a file
that does what it says.
"""

import fnmatch
import re
from collections.abc import Iterator

from proxy.config.chains import policy_ids
from proxy.config.models import Config

_ANY = re.compile(r"[*?\[]")


def unused(config: Config) -> list[str]:
    """The policies that no model uses."""
    used = {id for model in config.models.values() for id in policy_ids(config, model)}
    return [id for id in config.policies if id not in used]


def hints(config: Config) -> Iterator[str]:
    """All that there is to look at."""
    for id in unused(config):
        yield f"{id} is used by no model: name it in a model's `policies`, or in `default_policies`."
    yield from _left_out(config)
    yield from _keys(config)


def _left_out(config: Config) -> Iterator[str]:
    """A model's own policies stand in place of the default ones; those of a type that it has none of may be missed."""
    for name, model in config.models.items():
        types = {_type(id) for id in model.policies or ()}
        missed = [id for id in config.default_policies if _type(id) not in types]
        if types and missed:
            yield (
                f"{name}: default_policies ({', '.join(missed)}) do not act on it, because it has its own `policies`:"
                " list them there too, if they are to act."
            )


def _type(id: str) -> str:
    return id.partition("/")[0]


def _keys(config: Config) -> Iterator[str]:
    keys = config.auth.keys if config.auth is not None else ()
    for key in keys:
        for glob in key.models:
            if not any(_may_match(name, glob) for name in config.models):
                yield f"key {key.name}: {glob} matches no model: correct it, or add the model."
    if keys and not any(key.admin for key in keys):
        yield "No key has `admin: true`: without one nobody may use sluice status, report and reload."


def _may_match(name: str, glob: str) -> bool:
    """Whether a key's glob lets it use a model, or with a `*` in the model's name some of what it takes."""
    beginning, star, _ = name.partition("*")
    if not star:
        return fnmatch.fnmatchcase(name, glob)
    literal = _ANY.split(glob, maxsplit=1)[0]
    return literal.startswith(beginning) or (literal != glob and beginning.startswith(literal))
