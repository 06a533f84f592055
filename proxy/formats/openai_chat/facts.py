"""OpenAI's chat-completions format, which many servers speak."""

from typing import Final

from proxy.formats.facts import FormatFacts

FACTS: Final = FormatFacts(
    name="openai",
    base_url="https://api.openai.com/v1",
    shared=True,
    slashes=True,
    limit="max_completion_tokens",
    telemetry="openai",
    event_member="choices",
    last_event=b"data: [DONE]",
)
