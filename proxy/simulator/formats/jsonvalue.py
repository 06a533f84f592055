"""JSON text of tool arguments as the object that Anthropic and Gemini tell."""

import json
from typing import Any


def as_object(text: str) -> dict[str, Any]:
    """The JSON object in a text; what is none becomes the one member `value`, as these formats have objects only."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return value if isinstance(value, dict) else {"value": value}
