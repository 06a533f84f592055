"""`json_guard`: check a JSON answer while it streams.

`grammar` is an incremental automaton for RFC 8259. `survey` finds the schemas in a schema. `nodes` and `match` check
the parts of them that a stream can decide. `rules` and `whole` check a whole answer against all of them. `fence`
removes a Markdown fence. `answer` combines grammar, match and fence for one choice. `streamed` stops or flags as the
text passes. `held` keeps the answer back, has it checked whole, and rejects an attempt that fails.

The policy guards a format, not a secret: unknown fields still reach the client. Client and provider write its input.
All of its work therefore comes from a budget and is done in steps (`pace`).
"""

from typing import Any, Final

from policies.base import Context, Policy, PolicyType
from policies.json_guard.held import HeldJsonGuard
from policies.json_guard.settings import JsonGuardConfig
from policies.json_guard.streamed import JsonGuard

__all__ = ["JSON_GUARD", "STAGE", "HeldJsonGuard", "JsonGuard", "JsonGuardConfig"]

STAGE: Final = 10
"""First: it checks the answer as the provider sent it. Redaction and caps then act on what it passes on."""


def _build(name: str, config: Any, context: Context) -> Policy:
    held = config.on_invalid == "retry"
    return HeldJsonGuard(name, config, context) if held else JsonGuard(name, config, context)


JSON_GUARD = PolicyType(JsonGuardConfig, _build, STAGE, guards=lambda config: False)
