"""JSON text of tool arguments as the object that Anthropic and Gemini send."""

import json
from typing import Any


def as_object(text: str) -> dict[str, Any]:
    """Return the JSON object in a text. Any other value becomes the member `value`, because these formats need an
    object.
    """
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return value if isinstance(value, dict) else {"value": value}
