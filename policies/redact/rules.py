"""Rules as an operator writes them, checked and converted to `Rule`s.

Every problem is one `RuleError` with the rule, the construct and a remedy, raised when the rules are loaded. A key that
has no effect beside the others is an error too. No key is accepted and ignored.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from policies.base import ReadFile, UnusableFile
from policies.redact.bounded_cache import SharedByStreams
from policies.redact.entities import ENTITIES, SETS, Validator
from policies.redact.nfa import Nfa
from policies.redact.syntax import MAX_NODES, Parsed, Unsupported, add_pattern
from policies.redact.wordlist import WordList

SOURCES: Final = ("entity", "words", "words_file", "regex")
ACTIONS: Final = ("redact", "hash", "pseudonymize", "block", "flag")
MODES: Final = ("enforce", "shadow")
CHANNELS: Final = ("content", "reasoning", "refusal", "tools")
DIRECTIONS: Final = ("response", "request", "both")
OVERFLOWS: Final = ("closed", "open")
DEFAULT_HOLD: Final = 1024
MAX_ALL_NODES: Final = 300_000
"""Maximum number of nodes of all rules of a configuration. Compiling this many takes one to three seconds."""
RULE_NODES: Final = 100
"""Size of a rule in nodes, besides the nodes of its regex."""
_KEYS: Final = {
    *SOURCES,
    *("name", "action", "replace", "mask", "keep_last", "channels", "direction", "mode", "normalize"),
    *("ignore_case", "whole_word", "max_hold", "on_overflow", "hash_key"),
}


class RuleError(ValueError):
    """A rule that cannot be used: which rule, what is wrong, and what to do. `key` is the key to blame, if there is
    one.
    """

    def __init__(self, rule: str, construct: str, remedy: str, key: str | None = None) -> None:
        super().__init__(f"rule {rule!r}: {construct}: {remedy}")
        self.rule = rule
        self.construct = construct
        self.remedy = remedy
        self.key = key


class Shared(NamedTuple):
    """Defaults for all rules. `read` returns the content of a `words_file`."""

    normalize: bool = True
    max_hold: int = DEFAULT_HOLD
    on_overflow: str = "closed"
    hash_key: bytes = b""
    read: ReadFile | None = None


@dataclass(frozen=True, slots=True)
class Rule(SharedByStreams):
    """One checked rule.

    One of `pattern` and `words` is set. `label` is the replacement of a match, None if it depends on the match. Then
    `mask` (with `keep_last`) or the action tells how it is made. `max_hold` is the maximum number of characters held
    for it. `opens` tells if text beyond that is released or replaced. `trusted` patterns are built in and exempt from
    the node budget.
    """

    name: str
    pattern: str | None = None
    words: WordList | None = None
    action: str = "redact"
    label: str | None = None
    mask: str = ""
    keep_last: int = 0
    shadow: bool = False
    normalize: bool = True
    whole_word: bool = False
    validator: Validator | None = None
    trusted: bool = False
    channels: frozenset[str] = frozenset(CHANNELS)
    directions: frozenset[str] = frozenset({"response"})
    max_hold: int = DEFAULT_HOLD
    opens: bool = False
    hash_key: bytes = field(default=b"", repr=False)

    @property
    def redacts(self) -> bool:
        """True if it replaces matches (in shadow mode or not)."""
        return self.action in ("redact", "hash", "pseudonymize", "restore")

    @property
    def reported(self) -> str:
        """The action that a report shows."""
        return f"would_{self.action}" if self.shadow else self.action

    @property
    def holds(self) -> bool:
        """True if text waits for its matches."""
        return self.action != "flag" and not self.shadow

    @property
    def gives_placeholders(self) -> bool:
        """True if its placeholders must be restored."""
        return self.action == "pseudonymize" and not self.shadow


def read_rules(specs: Iterable[Mapping[str, Any]], shared: Shared = Shared()) -> tuple[Rule, ...]:  # noqa: B008
    """Check rules written with the YAML's keys. An entity set becomes one rule for each of its entities."""
    rules: list[Rule] = []
    seen: set[str] = set()
    for index, spec in enumerate(specs):
        rules.extend(read_rule(index, spec, shared, seen))
    return tuple(rules)


def read_rule(index: int, spec: Mapping[str, Any], shared: Shared, seen: set[str]) -> list[Rule]:
    """Check the rule at a place of the list. `seen` are the names before it, and gets its own."""
    rules = _read(index, spec, shared)
    for rule in rules:
        if rule.name in seen:
            raise RuleError(rule.name, "a name that two rules have", "give each rule a name of its own", "name")
        seen.add(rule.name)
    return rules


def read_source(spec: Mapping[str, Any], shared: Shared) -> int:
    """Check a rule's source, whatever its other settings. Return its size in nodes."""
    name = str(spec.get("name", "unnamed"))
    only = {key: spec[key] for key in SOURCES if key in spec}
    size = 0
    for rule in _SOURCE[_source(name, spec)](name, only, {"action": "redact"}, shared):
        size += 2 * RULE_NODES if rule.trusted else RULE_NODES
        if rule.pattern is not None and not rule.trusted:
            with blamed(rule, "regex"):
                nfa = Nfa()
                add_pattern(nfa, 0, Parsed(rule.pattern), normalize=False, budget=MAX_NODES)
                size += len(nfa.kind)
    return size


@contextmanager
def blamed(rule: Rule, key: str) -> Iterator[None]:
    """Convert errors of the engine into errors of a rule's key."""
    try:
        yield
    except Unsupported as refused:
        raise RuleError(rule.name, refused.construct, refused.remedy, key) from None


def _read(index: int, spec: Mapping[str, Any], shared: Shared) -> list[Rule]:
    name = spec.get("name", f"#{index + 1}")
    if not isinstance(name, str) or not name:
        raise RuleError(f"#{index + 1}", "a name that is not text", "name the rule, as in `name: email`", "name")
    for key in spec:
        if key not in _KEYS:
            raise RuleError(name, f"the unknown key {key!r}", f"use one of {', '.join(sorted(_KEYS))}", key)
    return _SOURCE[_source(name, spec)](name, spec, _common(name, spec, shared), shared)


def _source(name: str, spec: Mapping[str, Any]) -> str:
    """Return the key that says what to find."""
    sources = [key for key in SOURCES if spec.get(key) is not None]
    if not sources:
        raise RuleError(name, "nothing to look for", f"give exactly one of {', '.join(SOURCES)}")
    if len(sources) > 1:
        raise RuleError(name, " and ".join(sources), f"give exactly one of {', '.join(SOURCES)}", sources[1])
    return sources[0]


def _common(name: str, spec: Mapping[str, Any], shared: Shared) -> dict[str, Any]:
    action = _choice(name, spec, "action", ACTIONS, "redact")
    return {
        "action": action,
        "shadow": _choice(name, spec, "mode", MODES, "enforce") == "shadow",
        "normalize": _flag(name, spec, "normalize", shared.normalize),
        "channels": _channels(name, spec),
        "directions": _directions(name, spec, action),
        **_label(name, spec, action),
        **_bound(name, spec, action, shared),
        **_keyed(name, spec, action, shared),
    }


def _bound(name: str, spec: Mapping[str, Any], action: str, shared: Shared) -> dict[str, Any]:
    """Return the limits of held text. A flag holds nothing."""
    for key in ("max_hold", "on_overflow"):
        if action == "flag" and spec.get(key) is not None:
            raise RuleError(name, f"{key!r} beside the action 'flag'", f"leave out {key!r}: nothing is held", key)
    most = spec.get("max_hold")
    most = shared.max_hold if most is None else most
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise RuleError(name, f"the max_hold {most!r}", "hold at least one character", "max_hold")
    opens = _choice(name, spec, "on_overflow", OVERFLOWS, shared.on_overflow) == "open"
    return {"max_hold": most, "opens": opens}


def _keyed(name: str, spec: Mapping[str, Any], action: str, shared: Shared) -> dict[str, Any]:
    own = spec.get("hash_key")
    if action != "hash":
        if own is not None:
            raise RuleError(name, f"'hash_key' beside the action {action!r}", "leave it out, or hash", "hash_key")
        return {}
    key = own.encode() if isinstance(own, str) else own or shared.hash_key
    if not key:
        remedy = "set hash_key on it or on the policy, best from the environment"
        raise RuleError(name, "the action 'hash' without a key", remedy, "action")
    return {"hash_key": key}


def _label(name: str, spec: Mapping[str, Any], action: str) -> dict[str, Any]:
    given = [key for key in ("replace", "mask", "keep_last") if spec.get(key) is not None]
    if action != "redact":
        if given:
            raise RuleError(name, f"{given[0]!r} beside the action {action!r}", f"leave out {given[0]!r}", given[0])
        return {}
    if "replace" in given and len(given) > 1:
        raise RuleError(name, f"'replace' beside {given[1]!r}", "give either replace or mask", given[1])
    if "keep_last" in given and "mask" not in given:
        raise RuleError(name, "'keep_last' without 'mask'", 'give a mask, as in `mask: "•"`', "keep_last")
    if "mask" not in given:
        label = spec.get("replace")
        if label is not None and not isinstance(label, str):
            raise RuleError(name, "a replacement that is not text", 'quote it, as in `replace: "[EMAIL]"`', "replace")
        return {"label": label}
    mask, keep = spec["mask"], spec.get("keep_last") or 0
    if not isinstance(mask, str) or len(mask) != 1:
        raise RuleError(name, "a mask that is not one character", 'give one, as in `mask: "•"`', "mask")
    if not isinstance(keep, int) or isinstance(keep, bool) or keep < 0:
        raise RuleError(name, "a keep_last that is not a count", "give a whole number from 0 on", "keep_last")
    return {"mask": mask, "keep_last": keep}


def _words(name: str, spec: Mapping[str, Any], common: dict[str, Any], _: Shared) -> list[Rule]:
    words = spec["words"]
    if isinstance(words, str) or not isinstance(words, Iterable):
        raise RuleError(name, "words that are not a list", "write a list, as in `words: [one, two]`", "words")
    listed = tuple(words)
    for word in listed:
        if not isinstance(word, str) or not word:
            remedy = "give text; quote words that YAML reads as something else"
            raise RuleError(name, f"the word {word!r}", remedy, "words")
    return [_word_rule(name, spec, common, listed)]


def _words_file(name: str, spec: Mapping[str, Any], common: dict[str, Any], shared: Shared) -> list[Rule]:
    file = f"the file {spec['words_file']!r}"
    if shared.read is None:
        raise RuleError(name, f"{file} outside a configuration", "give its lines as `words`", "words_file")
    try:
        text = shared.read(str(spec["words_file"])).decode("utf-8-sig")
    except UnusableFile as error:
        raise RuleError(name, f"{file} {error.fault}", error.remedy, "words_file") from None
    except UnicodeDecodeError as error:
        raise RuleError(name, f"{file} is not UTF-8 at byte {error.start}", "save it as UTF-8", "words_file") from None
    return [_word_rule(name, spec, common, text)]


def _word_rule(name: str, spec: Mapping[str, Any], common: dict[str, Any], source: str | tuple[str, ...]) -> Rule:
    key = "words" if spec.get("words") is not None else "words_file"
    if not source or (isinstance(source, str) and source.isspace()):
        raise RuleError(name, "an empty list of words", "give at least one word", key)
    ignore_case = _flag(name, spec, "ignore_case", True)
    words = WordList(key, source, normalize=common.get("normalize", True), ignore_case=ignore_case)
    return _named(name, common, words=words, whole_word=_flag(name, spec, "whole_word", False))


def _regex(name: str, spec: Mapping[str, Any], common: dict[str, Any], _: Shared) -> list[Rule]:
    _only_for_words(name, spec)
    if not isinstance(spec["regex"], str):
        raise RuleError(name, "a regex that is not text", "quote it in single quotes", "regex")
    return [_named(name, common, pattern=spec["regex"])]


def _entity(name: str, spec: Mapping[str, Any], common: dict[str, Any], _: Shared) -> list[Rule]:
    _only_for_words(name, spec)
    wanted = spec["entity"]
    if wanted in SETS:
        members = [(f"{name}.{member}", member) for member in SETS[wanted]]
    elif wanted in ENTITIES:
        members = [(name, wanted)]
    else:
        close = difflib.get_close_matches(str(wanted), [*SETS, *ENTITIES], n=1)
        known = f"did you mean {close[0]!r}?" if close else f"use one of {', '.join([*SETS, *ENTITIES])}"
        raise RuleError(name, f"the unknown entity {wanted!r}", known, "entity")
    rules = []
    for rule_name, member in members:
        entity = ENTITIES[member]
        label = member if wanted in SETS else name
        rules.append(_named(rule_name, common, label, pattern=entity.pattern, validator=entity.validator, trusted=True))
    return rules


def _named(name: str, common: dict[str, Any], label_name: str | None = None, **more: Any) -> Rule:
    """Make the rule, with a label from its name unless one is given."""
    fields = {**common, **more}
    if fields["action"] == "redact" and not fields.get("mask") and fields.get("label") is None:
        fields["label"] = f"[{(label_name or name).upper()}]"
    return Rule(name=name, **fields)


def _only_for_words(name: str, spec: Mapping[str, Any]) -> None:
    for key in ("ignore_case", "whole_word"):
        if spec.get(key) is not None:
            raise RuleError(name, f"{key!r} without words", r"write it in the regex, as in (?i:…) or \b…\b", key)


def _choice(name: str, spec: Mapping[str, Any], key: str, allowed: tuple[str, ...], default: str) -> str:
    value = default if spec.get(key) is None else spec[key]
    if value not in allowed:
        raise RuleError(name, f"the {key} {value!r}", f"use one of {', '.join(allowed)}", key)
    return str(value)


def _flag(name: str, spec: Mapping[str, Any], key: str, default: bool) -> bool:
    value = spec.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise RuleError(name, f"the {key} {value!r}", "use true or false", key)
    return value


def _channels(name: str, spec: Mapping[str, Any]) -> frozenset[str]:
    value = spec.get("channels")
    if value is None:
        return frozenset(CHANNELS)
    wanted = frozenset([value] if isinstance(value, str) else value)
    if not wanted or not wanted <= set(CHANNELS):
        raise RuleError(name, f"the channels {value!r}", f"list some of {', '.join(CHANNELS)}", "channels")
    return wanted


def _directions(name: str, spec: Mapping[str, Any], action: str) -> frozenset[str]:
    """Return the directions. A pseudonymize rule acts on the request, and the answer only gets its values back."""
    if action == "pseudonymize":
        if _choice(name, spec, "direction", DIRECTIONS, "both") == "response":
            remedy = "use direction: both, or action: redact or hash"
            raise RuleError(name, "pseudonymize on the response", remedy, "direction")
        return frozenset({"request"})
    value = _choice(name, spec, "direction", DIRECTIONS, "response")
    return frozenset({"response", "request"} if value == "both" else {value})


_SOURCE: Final[dict[str, Callable[[str, Mapping[str, Any], dict[str, Any], Shared], list[Rule]]]] = {
    "words": _words,
    "words_file": _words_file,
    "regex": _regex,
    "entity": _entity,
}
