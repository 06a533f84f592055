"""Hints for `sluice check` about valid settings that are probably not intended, one a line.

A hint needs a setting that can have no other meaning, or an effect that is easily forgotten. A file that does what it
says gets no hints.
"""

import fnmatch
import re
from collections.abc import Iterator

from proxy.config.chains import policy_ids
from proxy.config.models import Config

_ANY = re.compile(r"[*?\[]")


def unused(config: Config) -> list[str]:
    """List the policies that no model uses."""
    used = {id for model in config.models.values() for id in policy_ids(config, model)}
    return [id for id in config.policies if id not in used]


def hints(config: Config) -> Iterator[str]:
    """Yield all hints."""
    for id in unused(config):
        yield f"{id} is not used by any model. Name it in a model's `policies`, or in `default_policies`."
    yield from _left_out(config)
    yield from _keys(config)


def _left_out(config: Config) -> Iterator[str]:
    """Yield default policies that a model's own `policies` replace without another policy of the same type."""
    for name, model in config.models.items():
        types = {_type(id) for id in model.policies or ()}
        missed = [id for id in config.default_policies if _type(id) not in types]
        if types and missed:
            yield (
                f"{name}: default_policies ({', '.join(missed)}) do not apply to it, because it has its own `policies`."
                " List them there too if they should apply."
            )


def _type(id: str) -> str:
    return id.partition("/")[0]


def _keys(config: Config) -> Iterator[str]:
    keys = config.auth.keys if config.auth is not None else ()
    for key in keys:
        for glob in key.models:
            if not any(_may_match(name, glob) for name in config.models):
                yield f"key {key.name}: {glob} matches no model. Correct it, or add the model."
    if keys and not any(key.admin for key in keys):
        yield "No key has `admin: true`. Without one, nobody can use sluice status, report and reload."


def _may_match(name: str, glob: str) -> bool:
    """Return true if a key's glob allows a model, or allows some of the names that a model with `*` accepts."""
    beginning, star, _ = name.partition("*")
    if not star:
        return fnmatch.fnmatchcase(name, glob)
    literal = _ANY.split(glob, maxsplit=1)[0]
    return literal.startswith(beginning) or (literal != glob and beginning.startswith(literal))
