"""Redaction on the stream: exact, with the least hold, in linear time.

`Redactor` is the engine, usable alone. Its parts, each with its theory in its header, in the order text meets them:
`rules` (what an operator writes) -> `syntax`, `words` -> `nfa` (nodes) -> `factor` (a lazy DFA that knows starts) ->
`automaton` (the product of factors) -> `scanner` (positions) -> `emitter`, `stream` (what goes out, and when) ->
`redactor`. `characters` says how characters read; `entities` are the built-in rules.
"""

from policies.redact.json_text import JsonStream
from policies.redact.redactor import Redactor
from policies.redact.rules import RuleError
from policies.redact.stream import Match, Stream

__all__ = ["JsonStream", "Match", "Redactor", "RuleError", "Stream"]
