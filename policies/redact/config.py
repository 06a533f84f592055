"""The YAML of a `redact/<name>` policy.

Rule: rules are compiled when the configuration is loaded, so that a rule that cannot be used never goes live. What is
set on the policy is the default for those of its rules that it can apply to.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from policies.redact.engines import Engines, Settings
from policies.redact.rules import RuleError, read_rules

Action = Literal["redact", "hash", "pseudonymize", "block", "flag"]
Mode = Literal["enforce", "shadow"]
Direction = Literal["response", "request", "both"]
Channel = Literal["content", "reasoning", "refusal", "tools"]


class Strict(BaseModel):
    """Frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Defaults(Strict):
    """What a rule may say, and a policy for all its rules."""

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


class RuleConfig(Defaults):
    """One rule: exactly one of `entity`, `words`, `words_file` (relative to the configuration's folder) and `regex`."""

    name: str | None = Field(default=None, min_length=1, max_length=128)
    entity: str | None = None
    words: tuple[str, ...] | None = None
    words_file: str | None = None
    regex: str | None = None

    @field_validator("words_file")
    @classmethod
    def _beside_the_configuration(cls, name: str | None, info: ValidationInfo) -> str | None:
        folder = (info.context or {}).get("folder")
        return name if name is None or folder is None else str(Path(folder, name))


class RedactConfig(Defaults):
    """A redact policy. `hash_key` keys the labels of `action: hash`."""

    rules: tuple[RuleConfig, ...] = Field(min_length=1)
    max_hold: int = Field(default=1024, ge=1, le=1_000_000)
    on_overflow: Literal["closed", "open"] = "closed"
    hash_key: SecretStr | None = Field(default=None, repr=False)
    _settings: Settings = PrivateAttr()
    _alone: Engines = PrivateAttr()
    _engines: dict[tuple[str, ...], tuple[tuple["RedactConfig", ...], Engines]] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _compile(self) -> "RedactConfig":
        key = self.hash_key.get_secret_value().encode() if self.hash_key is not None else b""
        specs = [self._spec(rule) for rule in self.rules]
        try:
            rules = read_rules(specs, hash_key=key)
            self._settings = Settings(rules, self.max_hold, self.on_overflow)
            self._alone = Engines([("", self._settings)])
        except RuleError as error:
            raise ValueError(str(error)) from None
        return self

    def engines(self, rows: Sequence[tuple[str, "RedactConfig"]]) -> Engines:
        """The compiled rules of a chain in which this policy is the first of `rows`. Alone it was compiled when it was
        loaded; together they are when first asked for, and kept."""
        if len(rows) == 1:
            return self._alone
        ids = tuple(id for id, _ in rows)
        configs = tuple(config for _, config in rows)
        known = self._engines.get(ids)
        if known is None or any(a is not b for a, b in zip(known[0], configs, strict=True)):
            known = configs, Engines([(id, config._settings) for id, config in rows])
            self._engines[ids] = known
        return known[1]

    @property
    def enforces(self) -> bool:
        """Whether some rule changes or ends an answer."""
        return any(
            not rule.shadow and rule.action != "flag" and "response" in rule.directions for rule in self._settings.rules
        )

    def _spec(self, rule: RuleConfig) -> dict[str, Any]:
        own = rule.model_dump(exclude_none=True)
        shared = {k: v for k, v in self.model_dump(include=set(Defaults.model_fields), exclude_none=True).items()}
        if rule.words is None and rule.words_file is None:
            shared.pop("ignore_case", None)
            shared.pop("whole_word", None)
        labels = {"replace", "mask", "keep_last"}
        if labels & own.keys() or own.get("action", shared.get("action", "redact")) != "redact":
            shared = {k: v for k, v in shared.items() if k not in labels}
        return {**shared, **own}
