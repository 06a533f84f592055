"""Feed events to a redact policy and collect its text."""

from collections.abc import Iterable, Mapping
from typing import Any

from policies.base import Context, Refuse, Request
from policies.events import Event, Text, ToolCall, Verdict
from policies.redact.config import RedactConfig
from policies.redact.policy import Redact, build
from policies.steps import finished

EMAIL = {"name": "email", "entity": "email"}
MAIL = "write to bob@ex.com now "
CLEAN = "write to [EMAIL] now "


def policy(*rules: dict[str, Any], json_answer: bool = False, **options: Any) -> Redact:
    config = RedactConfig.model_validate({"rules": rules or (EMAIL,), **options})
    return build("redact/t", config, Context("m", lambda: 0.0, json_answer))


def ask(policy: Redact, body: Mapping[str, Any]) -> Request | Refuse:
    """Return the policy's result for a request."""
    return finished(policy.request(Request(body)))


def feed(policy: Redact, *events: Event) -> list[Verdict]:
    return [verdict for event in events for verdict in policy.feed(event)]


def text_of(verdicts: Iterable[Verdict], channel: str = "content", choice: int = 0) -> str:
    return "".join(v.text for v in verdicts if isinstance(v, Text) and (v.channel, v.choice) == (channel, choice))


def arguments_of(verdicts: Iterable[Verdict], index: int = 0) -> str:
    return "".join(v.arguments for v in verdicts if isinstance(v, ToolCall) and v.index == index)
