"""The wire formats that a provider may have, by the value of its `api`. A new one is a line here."""

from collections.abc import Mapping
from typing import Final

from proxy.formats.anthropic.facts import FACTS as ANTHROPIC
from proxy.formats.facts import FormatFacts
from proxy.formats.gemini.facts import FACTS as GEMINI
from proxy.formats.openai_chat.facts import FACTS as OPENAI

LITELLM: Final = FormatFacts("litellm", shared=True, slashes=True, own_models=False)
"""No wire format of ours: the calls go through LiteLLM, which knows the provider's."""

FORMATS: Final[Mapping[str, FormatFacts]] = {facts.name: facts for facts in (OPENAI, ANTHROPIC, GEMINI, LITELLM)}

NAMED: Final = tuple(facts.name for facts in FORMATS.values() if facts.base_url is not None)
"""Providers whose name says their wire format."""
