"""The operations that the gateway serves. A new endpoint is a line here."""

from typing import Final

from proxy.formats.openai_chat.operation import CHAT
from proxy.formats.openai_completions import COMPLETIONS
from proxy.formats.openai_embeddings import EMBEDDINGS
from proxy.formats.operation import Operation

OPERATIONS: Final[tuple[Operation, ...]] = (CHAT, COMPLETIONS, EMBEDDINGS)
