"""The YAML of a `redact/<name>` policy.

Rules are compiled when the configuration is loaded, so that an unusable rule never goes live. A policy's settings are
the defaults for those of its rules that they can apply to. All rules are checked, and each error is reported at its own
key. Sources are checked when a rule is read, everything else after all rules are read.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from policies.base import Misconfigured, ReadFile
from policies.redact.engines import Engines
from policies.redact.entities import ENTITIES, SETS
from policies.redact.rules import MAX_ALL_NODES, RULE_NODES, Rule, RuleError, Shared, read_rule, read_source

Action = Literal["redact", "hash", "pseudonymize", "block", "flag"]
Mode = Literal["enforce", "shadow"]
Direction = Literal["response", "request", "both"]
Channel = Literal["content", "reasoning", "refusal", "tools"]


TOO_MUCH: Final = (
    f"makes all rules of the configuration have more than {MAX_ALL_NODES:,} nodes together: shorten counted repeats, "
    f"which are written out, or put fixed texts into one rule's `words` (each rule counts {RULE_NODES} by itself)"
)


class Room:
    """The remaining nodes for the rules of a configuration."""

    def __init__(self) -> None:
        self.left = MAX_ALL_NODES


class Strict(BaseModel):
    """A frozen model that rejects unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Defaults(Strict):
    """Settings that a rule may have, and a policy for all its rules. `hash_key` is the key for labels of `action:
    hash`.
    """

    action: Action | None = None
    replace: str | None = None
    mask: str | None = Field(default=None, min_length=1, max_length=1)
    keep_last: int | None = Field(default=None, ge=0)
    channels: tuple[Channel, ...] | None = None
    direction: Direction | None = None
    mode: Mode | None = None
    normalize: bool | None = None
    ignore_case: bool | None = None
    whole_word: bool | None = None
    max_hold: int | None = Field(default=None, ge=1, le=1_000_000)
    on_overflow: Literal["closed", "open"] | None = None
    hash_key: SecretStr | None = Field(default=None, repr=False)


def _not_empty(rules: tuple["RuleConfig", ...]) -> tuple["RuleConfig", ...]:
    """Reject an empty list. pydantic's `min_length` counts valid items only, so it would report one bad rule twice."""
    if not rules:
        raise ValueError("must not be empty")
    return rules


class RuleConfig(Defaults):
    """One rule, with one source: `entity`, `words`, `words_file` (relative to the configuration's folder) or
    `regex`.
    """

    name: str | None = Field(default=None, min_length=1, max_length=128)
    entity: Annotated[str, WithJsonSchema({"type": "string", "enum": [*SETS, *ENTITIES]})] | None = None
    words: tuple[str, ...] | None = None
    words_file: str | None = None
    regex: str | None = None
    _read: ReadFile | None = PrivateAttr(default=None)
    _size: int = PrivateAttr(default=0)

    @field_validator("words_file")
    @classmethod
    def _beside_the_configuration(cls, name: str | None, info: ValidationInfo) -> str | None:
        folder = (info.context or {}).get("folder")
        return name if name is None or folder is None else str(Path(folder, name))

    @model_validator(mode="after")
    def _check_source(self, info: ValidationInfo) -> "RuleConfig":
        read = (info.context or {}).get("read")
        self._read = None if read is None else functools.cache(read)
        room = _room(info)
        if room.left <= 0:  # already reported, once
            return self
        try:
            self._size = read_source(self.written(), Shared(read=self._read))
        except RuleError as error:
            raise Misconfigured([_fault((), error)]) from None
        room.left -= self._size
        if room.left <= 0:
            raise Misconfigured([((), TOO_MUCH)])
        return self

    def written(self) -> dict[str, Any]:
        """The settings that the rule itself has."""
        return _plain(self.model_dump(exclude_none=True))


class RedactConfig(Defaults):
    """A redact policy."""

    rules: Annotated[tuple[RuleConfig, ...], AfterValidator(_not_empty)]
    _rules: tuple[Rule, ...] = PrivateAttr()
    _written: tuple[tuple[str, str], ...] = PrivateAttr()
    _alone: Engines = PrivateAttr()
    _engines: dict[tuple[str, ...], Engines] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _compile(self, info: ValidationInfo) -> "RedactConfig":
        if _room(info).left <= 0:
            return self  # the configuration is rejected
        rules: list[Rule] = []
        origin: dict[str, int] = {}
        seen: set[str] = set()
        faults = []
        written: list[tuple[str, str]] = []
        for index, rule in enumerate(self.rules):
            try:
                read = read_rule(index, self._spec(rule), Shared(read=rule._read), seen)
            except RuleError as error:
                faults.append(_fault(("rules", index), error))
                continue
            rule._read = None  # including the data that it has read
            rules += read
            first = read[0]
            name = first.name.rpartition(".")[0] if rule.entity in SETS else first.name
            written.append((name, first.reported))
            origin.update((made.name, index) for made in read)
        if faults:
            raise Misconfigured(faults)
        self._rules = tuple(rules)
        self._written = tuple(written)
        try:
            self._alone = Engines([("", self._rules)])
        except RuleError as error:
            at = origin.get(error.rule.removesuffix(".restore"))
            raise Misconfigured([_fault(() if at is None else ("rules", at), error)]) from None
        return self

    def engines(self, rows: Sequence[tuple[str, "RedactConfig"]]) -> Engines:
        """Return the compiled rules of a chain in which this policy is the first of `rows`.

        A policy alone is compiled when it is loaded. Several together are compiled on first use and cached. The IDs
        identify the rules, because an ID names one policy of one configuration.
        """
        if len(rows) == 1:
            return self._alone
        ids = tuple(id for id, _ in rows)
        known = self._engines.get(ids)
        if known is None:
            known = self._engines[ids] = Engines([(id, config._rules) for id, config in rows])
        return known

    @property
    def listed(self) -> tuple[tuple[str, str], ...]:
        """List the rules as written, an entity set as one: the name, and the action that a report shows."""
        return self._written

    @property
    def size(self) -> int:
        """The size of its rules in nodes."""
        return sum(rule._size for rule in self.rules)

    @property
    def enforces(self) -> bool:
        """True if some rule changes or ends an answer."""
        return any(rule.holds and "response" in rule.directions for rule in self._rules)

    def _spec(self, rule: RuleConfig) -> dict[str, Any]:
        """Merge a rule with the policy's defaults, except those that cannot apply to it."""
        own = rule.written()
        shared = _plain(self.model_dump(include=set(Defaults.model_fields), exclude_none=True))
        action = own.get("action", shared.get("action", "redact"))
        unfit: set[str] = set()
        if rule.words is None and rule.words_file is None:
            unfit |= {"ignore_case", "whole_word"}
        if _LABELS & own.keys() or action != "redact":
            unfit |= _LABELS
        if action != "hash":
            unfit.add("hash_key")
        if action == "flag":
            unfit |= {"max_hold", "on_overflow"}
        if action == "pseudonymize" and shared.get("direction") == "response":
            unfit.add("direction")
        return {**{key: value for key, value in shared.items() if key not in unfit}, **own}


def _room(info: ValidationInfo) -> Room:
    """Return the room of the configuration that is being read, or a new one for this policy alone."""
    shared: dict[str, Room] = (info.context or {}).get("shared", {})
    return shared.setdefault("redact", Room())


_LABELS: Final = frozenset({"replace", "mask", "keep_last"})


def _plain(dumped: dict[str, Any]) -> dict[str, Any]:
    return {key: v.get_secret_value() if isinstance(v, SecretStr) else v for key, v in dumped.items()}


def _fault(at: tuple[str | int, ...], error: RuleError) -> tuple[tuple[str | int, ...], str]:
    return (at if error.key is None else (*at, error.key)), str(error)
