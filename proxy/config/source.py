"""YAML text -> plain data, the place of each value, and what is wrong with the text.

Rules. Only the plain parts of YAML count: mappings, lists, text, numbers, true/false, null; tags other than YAML's own
are refused. Anchors work. Keys are text as written, whatever YAML makes of `on` or `1.5`.

A text of a bounded size can still ask for much: nodes, depth, what anchors and references blow up to. Each is bounded,
and the work is linear in it.

`${NAME}` and `${NAME:-default}` in a text value are replaced from the environment, `$${` stands for a literal `${`, any
other `$` for itself. Theory: YAML would take the braces for a flow mapping, so before parsing each reference is written
in characters that mean nothing to YAML, one for one, so that columns hold; afterwards the values are read back. So what
the environment holds is never parsed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from proxy.config.problems import MAX_FAULTS, ConfigIssue, Path, SourceLocation

MAX_DEPTH = 32
MAX_VALUES = 100_000
MAX_NODES = 2 * MAX_VALUES
"""Of the text: values and keys, those that are given twice included."""

MAX_EXPANDED = 4 * 2**20
"""Characters that all references to the environment may come to."""

_MAX_SHOWN = 200
_SHIELD = 0x10FF00  # the end of the last private-use plane: 128 characters that no text needs
_SHIELDED = re.compile(f"[{chr(_SHIELD)}-{chr(_SHIELD + 0x7F)}]")
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_DEFAULT = r"(?:[^}\n$]|\$(?!\{))*+"
_REFERENCE = re.compile(rf"\$?\$\{{{_NAME}(?::-{_DEFAULT})?\}}")
_DOLLAR = re.compile(rf"\$(?P<escaped>\$\{{)|\$\{{(?P<name>{_NAME})(?::-(?P<default>{_DEFAULT}))?\}}|(?P<bad>\$\{{)")
_NO_REFERENCE = (
    "holds `${` that begins no ${NAME} or ${NAME:-default} (they do not nest); write '$${' for a literal one"
)
_SHORTER = "split the configuration, or move lists of words to a `words_file`"
_INDENT = "; this line's indentation does not fit the lines above"
_QUOTE = "; put the whole text in single quotes"
_REMEDIES: Mapping[str, str] = {
    "unknown escape character": "use single quotes for a pattern",
    "stream end": "close every bracket, brace and quotation mark",
    "end of stream": "close every bracket, brace and quotation mark",
    "while parsing a flow": "close every [ and {, and put a text that holds one of [ ] { } , in single quotes",
    "alias": "quote a text that begins with *",
    "anchor": "quote a text that begins with &",
    "found character '\\t'": "indent with spaces, not with tabs",
    "that cannot start any token": "put a text that begins with it in single quotes",
    "parsing a tag": "quote a text that begins with !",
    "scanning a tag": "quote a text that begins with !",
    "block scalar": "quote a text that begins with | or >",
    "a single document": "remove what stands behind the line ---",
    "sequence entries are not allowed": "begin a list on a line of its own",
    "could not find expected ':'": "a line is `key: value`, and a longer text is indented below its key",
}
"""What to do, by a part of what YAML's reader says; the first that fits."""
_YAML = "tag:yaml.org,2002:"
_TAGS: Mapping[type[Node], frozenset[str]] = {
    MappingNode: frozenset({"map"}),
    SequenceNode: frozenset({"seq"}),
    ScalarNode: frozenset({"str", "int", "float", "bool", "null", "timestamp", "value"}),
}
_BOOLS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Unreadable(Exception):
    """The text is no YAML that can be used at all."""

    def __init__(self, message: str, place: SourceLocation) -> None:
        super().__init__(message)
        self.message = message
        self.place = place


@dataclass(slots=True)
class Source:
    """A file's data. `broken` are the paths of values that could not be read; the data holds a stand-in for each."""

    data: Any = None
    keys: dict[Path, SourceLocation] = field(default_factory=dict)
    values: dict[Path, SourceLocation] = field(default_factory=dict)
    faults: list[ConfigIssue] = field(default_factory=list)
    broken: set[Path] = field(default_factory=set)

    def place(self, fault: ConfigIssue) -> SourceLocation:
        """Where a fault is: at its path, or at the nearest thing above it that the file has."""
        if fault.place:
            return fault.place
        path = fault.path
        while path not in self.values and path:
            path = path[:-1]
        places = self.keys if fault.at == "key" or path != fault.path else self.values
        return places.get(path) or self.values.get(path) or SourceLocation(1, 1)


def read(text: str, environ: Mapping[str, str]) -> Source:
    """Parse the text of a configuration. Raises `Unreadable`."""
    if found := _SHIELDED.search(text):
        message = f"holds the private-use character U+{ord(found[0]):X}: remove it"
        raise Unreadable(message, _place_of(text, found.start()))
    try:
        node = yaml.compose(_REFERENCE.sub(_shield, text), Loader=_Composer)
    except yaml.reader.ReaderError as error:
        raise Unreadable(
            f"holds a character that YAML does not allow (U+{error.character:04X})", _place_of(text, error.position)
        ) from None
    except yaml.MarkedYAMLError as error:
        raise Unreadable(_yaml_message(error, text), _yaml_place(error)) from None
    source = Source()
    if node is not None:
        source.data = _Reader(source, environ).value(node, ())
    return source


class _Composer(yaml.SafeLoader):
    """YAML's own reader, which knows when it is enough."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._nodes = 0
        self._depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """Called by YAML's reader for each node, and for each node in it. Raises `Unreadable`."""
        self._nodes += 1
        self._depth += 1
        is_key = index is None and parent is not None
        if self._depth > MAX_DEPTH + 1 + is_key:  # the root's depth is 1
            raise Unreadable(f"is nested deeper than {MAX_DEPTH} levels here", self._here())
        if self._nodes > MAX_NODES:
            raise Unreadable(f"holds more than {MAX_NODES} keys and values: {_SHORTER}", self._here())
        node: Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _here(self) -> SourceLocation:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        return SourceLocation(mark.line + 1, mark.column + 1)


class _Reader:
    """Turns YAML's nodes into data, and notes their places."""

    def __init__(self, source: Source, environ: Mapping[str, str]) -> None:
        self._source = source
        self._environ = environ
        self._count = 0
        self._expandable = MAX_EXPANDED

    def value(self, node: Node, path: Path) -> Any:
        self._source.values[path] = _start(node)
        self._count += 1
        if len(path) > MAX_DEPTH:
            raise Unreadable(f"is nested deeper than {MAX_DEPTH} levels here", _start(node))
        if self._count > MAX_VALUES:
            message = f"holds more than {MAX_VALUES} values, anchors counted as often as used: {_SHORTER}"
            raise Unreadable(message, _start(node))
        tag = node.tag.removeprefix(_YAML)
        if tag not in _TAGS[type(node)]:
            self._fault(path, f"the tag {tag[:_MAX_SHOWN]!r} is not supported: write plain YAML")
            return None
        match node:
            case MappingNode():
                return self._mapping(node, path)
            case SequenceNode():
                return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]
            case _:
                return self._scalar(node, path)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            here = (*path, key)
            if key in data:
                message = f"is given twice, first in line {self._source.keys[here].line}: keep one"
                self._tell(ConfigIssue(here, message, place=_start(key_node)))
                continue
            self._source.keys[here] = _start(key_node)
            data[key] = self.value(value_node, here)
        return data

    def _key(self, node: Node, path: Path) -> str | None:
        key = _unshield(node.value) if isinstance(node, ScalarNode) else ""
        if not isinstance(node, ScalarNode):
            message = "has a key that is not plain text; quote a value that begins with { or ["
        elif node.tag == f"{_YAML}merge":
            message = "merge keys (<<) are not supported: repeat the keys"
        elif "${" in key:
            message = "a key cannot come from the environment: only values can"
        elif not _encodable(key):
            message = "has a key with a lone surrogate: remove it"
        else:
            return key
        self._tell(ConfigIssue(path, message, place=_start(node)))
        return None

    def _scalar(self, node: Node, path: Path) -> Any:
        text = _unshield(node.value)
        match node.tag.removeprefix(_YAML):
            case "null":
                return None
            case "bool":
                return _BOOLS.get(text.lower(), text)
            case "int" | "float" as kind:
                return _number(text, int if kind == "int" else float)
        if not _encodable(text):
            self._fault(path, "holds a lone surrogate: remove it")
            return ""
        return self._expanded(text, path) if "$" in text else text

    def _expanded(self, text: str, path: Path) -> str:
        return _DOLLAR.sub(lambda match: self._replacement(match, path), text)

    def _replacement(self, match: re.Match[str], path: Path) -> str:
        if match["escaped"]:
            return match["escaped"]
        if match["bad"]:
            self._fault(path, _NO_REFERENCE)
            return ""
        name, default = match["name"], match["default"]
        value = self._environ.get(name)
        self._expandable -= len(value or default or "")
        if self._expandable < 0:
            message = f"comes to more than {MAX_EXPANDED // 2**20} MiB, with all that the environment is asked for"
            raise Unreadable(f"{message}: use fewer or shorter ${{NAME}}", self._source.values[path])
        if default is not None and not value:
            return default
        if value is None:
            self._fault(path, f"the environment variable {name} is not set: set it, or write ${{{name}:-default}}")
            return ""
        if not _encodable(value):
            self._fault(path, f"the environment variable {name} is not valid UTF-8")
            return ""
        return value

    def _fault(self, path: Path, message: str) -> None:
        self._tell(ConfigIssue(path, message))
        self._source.broken.add(path)

    def _tell(self, fault: ConfigIssue) -> None:
        if len(self._source.faults) < MAX_FAULTS:
            self._source.faults.append(fault)


def _shield(match: re.Match[str]) -> str:
    return "".join(chr(_SHIELD + ord(sign)) if sign.isascii() else sign for sign in match[0])


def _unshield(text: str) -> str:
    return _SHIELDED.sub(lambda match: chr(ord(match[0]) - _SHIELD), text)


def _number(text: str, kind: type[int] | type[float]) -> int | float | str:
    try:
        return kind(text)
    except ValueError:  # YAML 1.1's 1:30, 0x1F and .inf stay text: nobody means them
        return text


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _start(node: Node) -> SourceLocation:
    return SourceLocation(node.start_mark.line + 1, node.start_mark.column + 1)


def _place_of(text: str, position: int) -> SourceLocation:
    before = text[:position]
    return SourceLocation(before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)


def _yaml_place(error: yaml.MarkedYAMLError) -> SourceLocation:
    mark = error.problem_mark or error.context_mark
    return SourceLocation(mark.line + 1, mark.column + 1) if mark else SourceLocation(1, 1)


def _yaml_message(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark
    if mark and text[mark.index - 1 : mark.index + 1] == "${":
        return _NO_REFERENCE
    said = ", ".join(part for part in (error.context, error.problem) if part)
    before = text[text.rfind("\n", 0, mark.index) + 1 : mark.index] if mark else ""
    return f"is not valid YAML: {_unshield(said)[:_MAX_SHOWN]}{_remedy(said, before)}"


def _remedy(said: str, before: str) -> str:
    """What to do about YAML's complaint; `before` is the line's text up to where it stumbled."""
    if "mapping values are not allowed" in said:
        return "; quote a text that holds ': '" if ": " in before else _INDENT
    if "<block end>" in said:
        return _QUOTE if before.strip() else _INDENT
    return next((f"; {remedy}" for part, remedy in _REMEDIES.items() if part in said), "")
