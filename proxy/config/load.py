"""A YAML file -> `Config`, or all that is wrong with it at once, each with file, line, column and path.

Rule: a configuration that is not right in every point is not used at all. Four readers look at it: the text
(`source`), the models (`validation`), what holds between values (`references`), and each policy's own model. A value
that one of them could not read is not complained about by the next.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path as FilePath
from typing import Any

from policies import POLICIES
from policies.base import PolicyType, UnusableFile
from proxy.config import references
from proxy.config.chains import too_much_together
from proxy.config.files import MAX_CONFIG_BYTES, MAX_WORD_LINES, MAX_WORDS_BYTES, digest_of, lines_of, read_file
from proxy.config.models import Config, Server
from proxy.config.problems import MAX_FAULTS, ConfigError, ConfigIssue, Path, Problem, SourceLocation, written
from proxy.config.providers import complete
from proxy.config.source import Source, Unreadable, read
from proxy.config.validation import validate

__all__ = ["ConfigError", "Loaded", "files_of", "load", "load_whole", "parse", "server_of", "version_of"]

_NOTHING: Mapping[str, Any] = {}
_FILE = "words_file"
_VERSION_DIGITS = 12
_TRIES = 5
"""How often a configuration is read that changes meanwhile."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that was read, with what tells it from others: `version` is the hash of the file and of all that
    it names, `files` are their paths."""

    config: Config
    version: str
    files: tuple[FilePath, ...]


def load_whole(
    path: str | os.PathLike[str],
    *,
    environ: Mapping[str, str] = os.environ,
    policies: Mapping[str, PolicyType] = POLICIES,
    server: Mapping[str, Any] = _NOTHING,
) -> Loaded:
    """Read a configuration file, as `load` does, and say which version of it that was. Raises `ConfigError`."""
    file = os.fspath(path)
    for _ in range(_TRIES):
        text = _text(file)
        source = _read(text, file, environ)
        files = _beside(file, named_files(source.data))
        version = _digest(files)
        config = _made(source, file, policies, server)
        if _text(file) == text and _digest(files) == version:
            return Loaded(config, version, files)
    raise _refusal(file, "changes while it is read: write it under another name, then rename it")


def version_of(path: str | os.PathLike[str], environ: Mapping[str, str] = os.environ) -> str:
    """The version that a configuration file has now, be it right or not."""
    return _digest(files_of(path, environ))


def files_of(path: str | os.PathLike[str], environ: Mapping[str, str] = os.environ) -> tuple[FilePath, ...]:
    """A configuration file and the files that it names, as far as it can be read."""
    file = os.fspath(path)
    try:
        return _beside(file, _names(_text(file), tuple(sorted(environ.items()))))
    except (ConfigError, Unreadable):
        return (FilePath(file),)


@lru_cache(maxsize=2)
def _names(text: str, environ: tuple[tuple[str, str], ...]) -> Sequence[str]:
    """What a configuration's text names. Asked whenever the files are looked at, and parsing takes a second for 10,000
    rules: the text that was parsed last is known."""
    return named_files(read(text, dict(environ)).data)


def _beside(file: str, names: Iterable[str]) -> tuple[FilePath, ...]:
    """The file, and those that it names."""
    return (FilePath(file), *(FilePath(file).parent / name for name in names))


def _digest(files: Iterable[FilePath]) -> str:
    digest, left = hashlib.sha256(), MAX_CONFIG_BYTES + MAX_WORDS_BYTES
    for file in files:
        try:
            found, size = digest_of(file, left)
        except UnusableFile as error:
            digest.update(str(error).encode())
        else:
            digest.update(found)
            left -= size
    return digest.hexdigest()[:_VERSION_DIGITS]


def named_files(data: Any) -> list[str]:
    """The files that a configuration's data names, each once."""
    found: list[str] = []
    waiting = [data.get("policies")] if isinstance(data, dict) else []
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            found += [name for key, name in value.items() if key == _FILE and isinstance(name, str)]
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return list(dict.fromkeys(found))


def load(
    path: str | os.PathLike[str],
    *,
    environ: Mapping[str, str] = os.environ,
    policies: Mapping[str, PolicyType] = POLICIES,
    server: Mapping[str, Any] = _NOTHING,
) -> Config:
    """Read a configuration file. `server` are values from the command line that go before those of the file's section
    (None for those not given). Raises `ConfigError`."""
    file = os.fspath(path)
    return parse(_text(file), file, environ=environ, policies=policies, server=server)


def parse(
    text: str,
    file: str = "config.yaml",
    *,
    environ: Mapping[str, str] = os.environ,
    policies: Mapping[str, PolicyType] = POLICIES,
    server: Mapping[str, Any] = _NOTHING,
) -> Config:
    """Read the text of a configuration; `file` is its name in messages. Otherwise as `load`."""
    return _made(_read(text, file, environ), file, policies, server)


def server_of(
    path: str | os.PathLike[str], given: Mapping[str, Any] = _NOTHING, *, environ: Mapping[str, str] = os.environ
) -> Server:
    """Read the section `server` of a configuration file and nothing else: no policy is compiled, no other file is read.

    `given` goes before the file's values, as `server` does for `load`. Raises `ConfigError`.
    """
    file = os.fspath(path)
    source = _read(_text(file), file, environ)
    if not isinstance(source.data, dict):
        raise _refusal(file, "must be a mapping with `providers` and `models`", SourceLocation(1, 1))
    overridden = _override(source, given)
    section = source.data.get("server")
    server, faults = validate(Server, {} if section is None else section, ("server",))
    if server is None:
        raise ConfigError(_placed(fault, source, file, overridden) for fault in faults)
    return server


def _read(text: str, file: str, environ: Mapping[str, str]) -> Source:
    try:
        return read(text, environ)
    except Unreadable as error:
        raise _refusal(file, error.message, error.place) from None


def _made(source: Source, file: str, policies: Mapping[str, PolicyType], server: Mapping[str, Any]) -> Config:
    """The configuration that a file's values are."""
    if not isinstance(source.data, dict):
        raise _refusal(file, "must be a mapping with `providers` and `models`", SourceLocation(1, 1))
    given = _override(source, server)
    config, faults = validate(Config, source.data)
    context = {"folder": str(FilePath(file).parent), "read": _Words().read, "shared": {}}
    built, policy_faults = _policies(source.data.get("policies"), policies, context)
    faults += [*islice(references.check(source.data, policies), MAX_FAULTS), *policy_faults]
    problems = [*source.faults, *_unrelated(faults, source.broken)]
    if config is not None and not problems:
        problems += too_much_together(config, built, policies)
    if config is None or problems:
        raise ConfigError(_placed(problem, source, file, given) for problem in problems)
    providers = {name: complete(name, provider) for name, provider in config.providers.items()}
    return config.model_copy(update={"providers": providers, "policies": built})


def _text(file: str) -> str:
    try:
        raw = read_file(file, MAX_CONFIG_BYTES, "move long lists of words to a `words_file`")
    except UnusableFile as error:
        raise _refusal(file, str(error)) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        place = SourceLocation(before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1)
        raise _refusal(file, "is not UTF-8 here: save it as UTF-8", place) from None


class _Words:
    """The files of a configuration's word lists, which may have `MAX_WORDS_BYTES` and `MAX_WORD_LINES` together."""

    def __init__(self) -> None:
        self._left = MAX_WORDS_BYTES
        self._lines = MAX_WORD_LINES

    def read(self, name: str) -> bytes:
        """See `policies.base.ReadFile`."""
        beyond = f"use fewer words: all lists of a configuration may have {MAX_WORDS_BYTES // 2**20} MiB together"
        found = read_file(name, self._left, beyond)
        self._left -= len(found)
        self._lines -= lines_of(found)
        if self._lines < 0:
            remedy = f"use fewer words: all lists of a configuration may have {MAX_WORD_LINES:,} lines together"
            raise UnusableFile("has too many lines", remedy)
        return found


def _policies(
    data: Any, types: Mapping[str, PolicyType], context: Mapping[str, Any]
) -> tuple[dict[str, Any], list[ConfigIssue]]:
    """Each policy's own frozen config by id. `context` is what their models may know: the `folder` of the file, how to
    `read` what it names, and what all policies of a type have `shared`. What is wrong with the ids is told by
    `references`."""
    built: dict[str, Any] = {}
    faults: list[ConfigIssue] = []
    given = data if isinstance(data, dict) else {}
    for policy_id, raw in given.items():
        policy_type = types.get(policy_id.partition("/")[0])
        if policy_type is None:
            continue
        values = {} if raw is None else raw
        built[policy_id], found = validate(policy_type.config, values, ("policies", policy_id), context)
        faults += found[: MAX_FAULTS - len(faults)]
    return built, faults


def _unrelated(faults: Iterable[ConfigIssue], broken: set[Path]) -> list[ConfigIssue]:
    """The faults that are no consequence of a value that could not be read."""
    return [fault for fault in faults if not any(fault.path[:end] in broken for end in range(len(fault.path) + 1))]


def _override(source: Source, server: Mapping[str, Any]) -> set[Path]:
    """Put values from the command line into the data; gives their paths."""
    given = {key: value for key, value in server.items() if value is not None}
    section = source.data.get("server")
    if given and isinstance(section, dict | None):
        source.data["server"] = {**(section or {}), **given}
    return {("server", key) for key in given}


def _placed(fault: ConfigIssue, source: Source, file: str, given: set[Path]) -> Problem:
    place = source.place(fault)
    path = f"{written(fault.path)} (from the command line)" if fault.path in given else written(fault.path)
    return Problem(file, place.line, place.column, path, fault.message)


def _refusal(file: str, message: str, place: SourceLocation = SourceLocation(1, 1)) -> ConfigError:  # noqa: B008 - a frozen value
    return ConfigError([Problem(file, place.line, place.column, "", message)])
