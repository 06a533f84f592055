"""Rules as an operator writes them, checked and made into `Rule`s.

Rule: whatever is wrong is one `RuleError` naming the rule, the construct and a remedy, raised when the rules are
loaded. A key that has no effect beside the others is wrong too: nothing is accepted and ignored.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from policies.redact.entities import ENTITIES, SETS, Validator

SOURCES: Final = ("entity", "words", "words_file", "regex")
ACTIONS: Final = ("redact", "hash", "pseudonymize", "block", "flag")
MODES: Final = ("enforce", "shadow")
CHANNELS: Final = ("content", "reasoning", "refusal", "tools")
DIRECTIONS: Final = ("response", "request", "both")
_KEYS: Final = {
    *SOURCES,
    *("name", "action", "replace", "mask", "keep_last", "channels", "direction", "mode", "normalize"),
    *("ignore_case", "whole_word"),
}


class RuleError(ValueError):
    """A rule that cannot be used: which, what of it, and what to do."""

    def __init__(self, rule: str, construct: str, remedy: str) -> None:
        super().__init__(f"rule {rule!r}: {construct}: {remedy}")
        self.rule = rule
        self.construct = construct
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Rule:
    """One checked rule.

    Exactly one of `pattern` and `words` is set. `label` is the text in a match's place; None when it depends on the
    match: then `mask` (with `keep_last`) or the action tells how it is made. `trusted` are patterns of ours, not bound
    by the node budget.
    """

    name: str
    pattern: str | None = None
    words: tuple[str, ...] = ()
    action: str = "redact"
    label: str | None = None
    mask: str = ""
    keep_last: int = 0
    shadow: bool = False
    normalize: bool = True
    ignore_case: bool = True
    whole_word: bool = False
    validator: Validator | None = None
    trusted: bool = False
    channels: frozenset[str] = frozenset(CHANNELS)
    directions: frozenset[str] = frozenset({"response"})
    hash_key: bytes = field(default=b"", repr=False)

    @property
    def redacts(self) -> bool:
        """Whether it puts something else in a match's place (shadow or not)."""
        return self.action in ("redact", "hash", "pseudonymize", "restore")


def read_rules(
    specs: Iterable[Mapping[str, Any]], *, normalize: bool = True, hash_key: bytes = b""
) -> tuple[Rule, ...]:
    """Check rules written with the YAML's keys; an entity set becomes one rule for each of its entities."""
    rules: list[Rule] = []
    for index, spec in enumerate(specs):
        rules.extend(_read(index, spec, normalize, hash_key))
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise RuleError(name, "a name that two rules have", "give each rule a name of its own")
    return tuple(rules)


def _read(index: int, spec: Mapping[str, Any], normalize: bool, hash_key: bytes) -> list[Rule]:
    name = spec.get("name", f"#{index + 1}")
    if not isinstance(name, str) or not name:
        raise RuleError(f"#{index + 1}", "a name that is not text", "name the rule, as in `name: email`")
    for key in spec:
        if key not in _KEYS:
            raise RuleError(name, f"the unknown key {key!r}", f"use one of {', '.join(sorted(_KEYS))}")
    sources = [key for key in SOURCES if spec.get(key) is not None]
    if len(sources) != 1:
        found = " and ".join(sources) or "nothing to look for"
        raise RuleError(name, found, f"give exactly one of {', '.join(SOURCES)}")
    common = _common(name, spec, normalize)
    if common["action"] == "hash":
        if not hash_key:
            raise RuleError(name, "the action 'hash' without a key", "set hash_key, best from the environment")
        common["hash_key"] = hash_key
    return _SOURCE[sources[0]](name, spec, common)


def _common(name: str, spec: Mapping[str, Any], normalize: bool) -> dict[str, Any]:
    action = _choice(name, spec, "action", ACTIONS, "redact")
    return {
        "action": action,
        "shadow": _choice(name, spec, "mode", MODES, "enforce") == "shadow",
        "normalize": _flag(name, spec, "normalize", normalize),
        "channels": _channels(name, spec),
        "directions": _directions(name, spec, action),
        **_label(name, spec, action),
    }


def _label(name: str, spec: Mapping[str, Any], action: str) -> dict[str, Any]:
    given = [key for key in ("replace", "mask", "keep_last") if spec.get(key) is not None]
    if action != "redact":
        if given:
            raise RuleError(name, f"{given[0]!r} beside the action {action!r}", f"leave out {given[0]!r}")
        return {}
    if "replace" in given and len(given) > 1:
        raise RuleError(name, f"'replace' beside {given[1]!r}", "give either replace or mask")
    if "keep_last" in given and "mask" not in given:
        raise RuleError(name, "'keep_last' without 'mask'", 'give a mask, as in `mask: "*"`')
    if "mask" not in given:
        label = spec.get("replace")
        if label is not None and not isinstance(label, str):
            raise RuleError(name, "a replacement that is not text", 'quote it, as in `replace: "[EMAIL]"`')
        return {"label": label}
    mask, keep = spec["mask"], spec.get("keep_last") or 0
    if not isinstance(mask, str) or len(mask) != 1:
        raise RuleError(name, "a mask that is not one character", 'give one, as in `mask: "*"`')
    if not isinstance(keep, int) or isinstance(keep, bool) or keep < 0:
        raise RuleError(name, "a keep_last that is not a count", "give a whole number from 0 on")
    return {"mask": mask, "keep_last": keep}


def _words(name: str, spec: Mapping[str, Any], common: dict[str, Any]) -> list[Rule]:
    words = spec["words"]
    if isinstance(words, str) or not isinstance(words, Iterable):
        raise RuleError(name, "words that are not a list", "write a list, as in `words: [one, two]`")
    return [_word_rule(name, spec, common, words)]


def _words_file(name: str, spec: Mapping[str, Any], common: dict[str, Any]) -> list[Rule]:
    try:
        lines = Path(str(spec["words_file"])).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(name, f"the file {spec['words_file']!r}", f"make it a readable UTF-8 file ({error})") from None
    return [_word_rule(name, spec, common, [line.strip() for line in lines if line.strip()])]


def _word_rule(name: str, spec: Mapping[str, Any], common: dict[str, Any], words: Iterable[Any]) -> Rule:
    listed = tuple(words)
    for word in listed:
        if not isinstance(word, str) or not word:
            raise RuleError(name, f"the word {word!r}", "give text; quote words that YAML reads as something else")
    if not listed:
        raise RuleError(name, "an empty list of words", "give at least one word")
    return _named(
        name,
        common,
        words=listed,
        ignore_case=_flag(name, spec, "ignore_case", True),
        whole_word=_flag(name, spec, "whole_word", False),
    )


def _regex(name: str, spec: Mapping[str, Any], common: dict[str, Any]) -> list[Rule]:
    _only_for_words(name, spec)
    if not isinstance(spec["regex"], str):
        raise RuleError(name, "a regex that is not text", "quote it in single quotes")
    return [_named(name, common, pattern=spec["regex"])]


def _entity(name: str, spec: Mapping[str, Any], common: dict[str, Any]) -> list[Rule]:
    _only_for_words(name, spec)
    wanted = spec["entity"]
    if wanted in SETS:
        members = [(f"{name}.{member}", member) for member in SETS[wanted]]
    elif wanted in ENTITIES:
        members = [(name, wanted)]
    else:
        raise RuleError(name, f"the unknown entity {wanted!r}", f"use one of {', '.join([*SETS, *ENTITIES])}")
    rules = []
    for rule_name, member in members:
        entity = ENTITIES[member]
        label = member if wanted in SETS else name
        rules.append(_named(rule_name, common, label, pattern=entity.pattern, validator=entity.validator, trusted=True))
    return rules


def _named(name: str, common: dict[str, Any], label_name: str | None = None, **more: Any) -> Rule:
    """The rule, with the label that its name makes unless one was given."""
    fields = {**common, **more}
    if fields["action"] == "redact" and not fields.get("mask") and fields.get("label") is None:
        fields["label"] = f"[{(label_name or name).upper()}]"
    return Rule(name=name, **fields)


def _only_for_words(name: str, spec: Mapping[str, Any]) -> None:
    for key in ("ignore_case", "whole_word"):
        if spec.get(key) is not None:
            raise RuleError(name, f"{key!r} without words", r"write it in the regex, as in (?i:…) or \b…\b")


def _choice(name: str, spec: Mapping[str, Any], key: str, allowed: tuple[str, ...], default: str) -> str:
    value = spec.get(key, default)
    if value not in allowed:
        raise RuleError(name, f"the {key} {value!r}", f"use one of {', '.join(allowed)}")
    return str(value)


def _flag(name: str, spec: Mapping[str, Any], key: str, default: bool) -> bool:
    value = spec.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise RuleError(name, f"the {key} {value!r}", "use true or false")
    return value


def _channels(name: str, spec: Mapping[str, Any]) -> frozenset[str]:
    value = spec.get("channels")
    if value is None:
        return frozenset(CHANNELS)
    wanted = frozenset([value] if isinstance(value, str) else value)
    if not wanted or not wanted <= set(CHANNELS):
        raise RuleError(name, f"the channels {value!r}", f"list some of {', '.join(CHANNELS)}")
    return wanted


def _directions(name: str, spec: Mapping[str, Any], action: str) -> frozenset[str]:
    """A pseudonymize rule acts on the request; the answer only gets its values back."""
    if action == "pseudonymize":
        if spec.get("direction", "request") != "request":
            raise RuleError(name, "pseudonymize on the response", "use direction: request, or action: redact or hash")
        return frozenset({"request"})
    value = _choice(name, spec, "direction", DIRECTIONS, "response")
    return frozenset({"response", "request"} if value == "both" else {value})


_SOURCE: Final[dict[str, Callable[[str, Mapping[str, Any], dict[str, Any]], list[Rule]]]] = {
    "words": _words,
    "words_file": _words_file,
    "regex": _regex,
    "entity": _entity,
}
