"""Anthropic's messages format."""

from typing import Final

from proxy.formats.facts import FormatFacts

FACTS: Final = FormatFacts(
    name="anthropic",
    base_url="https://api.anthropic.com",
    version="/v1",
    include_usage=False,
    thinks_unasked=False,  # Claude thinks only when it is asked to
    telemetry="anthropic",
    event_member="type",
    last_event=b"event: message_stop",
)
