"""The three wire formats: requests read as the real provider reads them, answers told as it tells them."""

from proxy.simulator.formats.anthropic import Anthropic
from proxy.simulator.formats.base import Format
from proxy.simulator.formats.gemini import Gemini
from proxy.simulator.formats.openai import OpenAI

FORMATS: dict[str, Format] = {"openai": OpenAI(), "anthropic": Anthropic(), "gemini": Gemini()}
"""The one registration point: a provider's name and its format."""
