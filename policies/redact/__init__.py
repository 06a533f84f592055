"""Redaction of streams: exact, with minimal delay, in linear time.

`Redactor` is the engine, usable alone. Each part's docstring has its theory. In the order in which text passes: `rules`
(as an operator writes them) -> `syntax`, `words` -> `nfa` (nodes) -> `factor` (a lazy DFA that tracks starts) ->
`automaton` (the product of factors) -> `scanner` (positions) -> `emitter`, `stream` (what is released, and when) ->
`redactor`. `characters` normalizes characters. `entities` are the built-in rules.
"""

from policies.redact.json_text import JsonStream
from policies.redact.redactor import Redactor
from policies.redact.rules import RuleError
from policies.redact.stream import Match, Stream

__all__ = ["JsonStream", "Match", "Redactor", "RuleError", "Stream"]
