"""`json_guard`: an answer that should be JSON is checked while it streams.

`grammar` is an incremental automaton for RFC 8259. `survey` finds the schemas in a schema. `nodes` and `match` hold
what a stream can decide of them against the text, `rules` and `whole` all of it against a whole answer. `fence` takes a
Markdown fence off. `answer` is grammar, match and fence together for one choice. `streamed` stops or flags as the text
passes; `held` keeps the answer back, has it checked whole, and rejects an attempt that fails.

It guards a format, not a secret: fields that we don't know still reach the client. Client and provider write what it
works on, so all of its work is spent from a budget and done in steps (`pace`).
"""

from typing import Any, Final

from policies.base import Context, Policy, PolicyType
from policies.json_guard.held import HeldJsonGuard
from policies.json_guard.settings import JsonGuardConfig
from policies.json_guard.streamed import JsonGuard

__all__ = ["JSON_GUARD", "STAGE", "HeldJsonGuard", "JsonGuard", "JsonGuardConfig"]

STAGE: Final = 10
"""First: it checks the answer as the provider sent it; redaction and caps act on what it lets through."""


def _build(name: str, config: Any, context: Context) -> Policy:
    held = config.on_invalid == "retry"
    return HeldJsonGuard(name, config, context) if held else JsonGuard(name, config, context)


JSON_GUARD = PolicyType(JsonGuardConfig, _build, STAGE, guards=lambda config: False)
