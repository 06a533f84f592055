"""Token counters for cl100k and o200k, from the files that LiteLLM ships. Nothing is fetched.

A tokenizer is loaded once for the process, on first use. This takes 0.1 to 0.5 seconds and 40 to 70 MB, so `load` it
off the event loop if a cap will need it. It does not import LiteLLM.

How `settled` works: whatever follows a text, some token begins within it and reaches its end or beyond. The tokens
before that one are the encoding of the text before it, as byte-pair encoding works. So it is enough to try each place
where a token of the vocabulary could begin that continues the text. The tokens with which all encodings up to these
places begin are settled. This is true within one part of the tokenizer's split only. It is therefore used only for runs
of ideographs, kana and hangul, which no version of the split divides.

Claude's and Gemini's current tokenizers are not public. Sluice counts with cl100k instead, and records name the
tokenizer.
"""

import bisect
import functools
import importlib
import os
import re
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from proxy.accounting import litellm_files

Basis: TypeAlias = Literal["o200k_base", "cl100k_base"]
"""A tokenizer's name, as shown in records."""

_O200K = re.compile(r"(chat)?gpt-(4o|4\.[1-9]|[5-9]|oss|realtime|audio)|o[1-9](?![0-9a-z])|chat-latest|codex-")
_RUN = re.compile("[ !-&(-/:-@、。，．！？：；（）「」《》“”]?[ぁ-ゖァ-ヺ一-鿯가-힣]+")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def basis(model: str) -> Basis:
    """Return the tokenizer for a provider's model: o200k for gpt-4o and later, cl100k for all others."""
    name = model.rpartition("/")[2].removeprefix("ft:")
    return "o200k_base" if _O200K.match(name) else "cl100k_base"


@functools.cache
def load(basis: Basis) -> "TiktokenTokenizer":
    """Load the tokenizer. The first call reads it from its file."""
    os.environ["TIKTOKEN_CACHE_DIR"] = str(litellm_files.folder() / "litellm_core_utils" / "tokenizers")
    return TiktokenTokenizer(importlib.import_module("tiktoken").get_encoding(basis))


class TiktokenTokenizer:
    """A tokenizer of tiktoken: see `policies.base.Tokenizer`."""

    def __init__(self, encoding: Any) -> None:
        self._encoding = encoding
        self._wide = sorted(token for token in encoding.token_byte_values() if not token.isascii())
        self._longest = max(map(len, self._wide))

    def count(self, text: str) -> int:
        """Count tokens: see `Tokenizer.count`."""
        return len(self._encode(text))

    def cut(self, text: str, tokens: int) -> int:
        """Cut a text: see `Tokenizer.cut`."""
        data: bytes = self._encoding.decode_bytes(self._encode(text)[:tokens])
        return len(data.decode("utf-8", "ignore"))  # ignore an incomplete character at the end

    def settled(self, text: str, tokens: int) -> int | None:
        """Find the settled length: see `Tokenizer.settled`."""
        run = _RUN.match(text)  # tokens that are settled by the run stay settled, whatever follows
        if run is None:
            return None
        data = run[0].encode()
        first = self._piece(data)[:tokens]
        end = len(self._encoding.decode_bytes(first))
        if end == len(data):
            return None
        for place in self._places(data):
            if place < end or self._piece(data[:place])[:tokens] != first:
                return None
        return len(data[:end].decode("utf-8", "ignore"))

    def _places(self, data: bytes) -> Iterator[int]:
        """Yield the places where a token may begin that continues past the end of `data`, farthest first. Includes the
        end.
        """
        for place in range(max(0, len(data) - self._longest), len(data)):
            rest = data[place:]
            found = bisect.bisect_right(self._wide, rest)
            if found < len(self._wide) and self._wide[found].startswith(rest):
                yield place
        yield len(data)

    def _piece(self, data: bytes) -> list[int]:
        tokens: list[int] = self._encoding._core_bpe.encode_single_piece(data)
        return tokens

    def _encode(self, text: str) -> list[int]:
        # Half a surrogate pair has no bytes of its own: it counts as the replacement character.
        tokens: list[int] = self._encoding.encode_ordinary(_LONE_SURROGATE.sub("\ufffd", text))
        return tokens
