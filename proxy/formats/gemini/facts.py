"""Gemini's generateContent format."""

from typing import Final

from proxy.formats.facts import FormatFacts

FACTS: Final = FormatFacts(
    name="gemini",
    base_url="https://generativelanguage.googleapis.com",
    version="/v1beta",
    include_usage=False,
    telemetry="gcp.gemini",
    event_member="candidates",
)
