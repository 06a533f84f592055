"""The three wire formats. They read requests and write answers as the real providers do."""

import re

from proxy.simulator.formats.anthropic import Anthropic
from proxy.simulator.formats.base import Format
from proxy.simulator.formats.completions import OpenAICompletions
from proxy.simulator.formats.embeddings import GeminiEmbeddings, OpenAIEmbeddings
from proxy.simulator.formats.gemini import Gemini
from proxy.simulator.formats.openai import OpenAI

FORMATS: dict[str, Format] = {
    "openai": OpenAI(),
    "anthropic": Anthropic(),
    "gemini": Gemini(),
    "openai_completions": OpenAICompletions(),
    "openai_embeddings": OpenAIEmbeddings(),
    "gemini_embeddings": GeminiEmbeddings(),
}
"""The registry: a provider's name, with its operation if that is not chat, and its format."""

_PATHS = (
    ("openai", re.compile(r"/v1/chat/completions")),
    ("anthropic", re.compile(r"/v1/messages")),
    ("openai_completions", re.compile(r"/v1/completions")),
    ("openai_embeddings", re.compile(r"/v1/embeddings")),
    ("gemini_embeddings", re.compile(r"/v1beta/models/[^/]+:batchEmbedContents")),
    ("gemini", re.compile(r"/v1beta/models/[^/]+:(?:streamGenerateContent|generateContent)")),
)


def provider_of(method: str, path: str) -> str | None:
    """Return the provider of a request's path, or None if no provider has such a path."""
    if method != "POST":
        return None
    return next((provider for provider, pattern in _PATHS if pattern.fullmatch(path)), None)
