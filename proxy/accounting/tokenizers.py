"""Token counters: cl100k and o200k, from the files that LiteLLM brings, so that nothing is fetched.

Rule: a tokenizer is loaded once for the process, when it is first wanted (a tenth to half a second, 40 to 70 MB):
`load` it off the event loop where a cap will want it. LiteLLM itself is not imported for it.

Theory of `settled`. Whatever follows a text, some token begins within it and reaches its end or beyond. The tokens
before that one are the encoding of what is before it: that is how byte-pair encoding works. So it is enough to look at
each place where a token of the vocabulary could begin that goes on as the text does: if the encodings up to all these
places begin with the same tokens, those are settled. This holds within one part of the tokenizer's split: so it is only
for runs of ideographs, kana and hangul, which no version of the split divides.

Claude's and Gemini's current tokenizers are not public; cl100k stands for them, and what was counted with says so.
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
"""A tokenizer's name, as told in records."""

_O200K = re.compile(r"(chat)?gpt-(4o|4\.[1-9]|[5-9]|oss|realtime|audio)|o[1-9](?![0-9a-z])|chat-latest|codex-")
_RUN = re.compile("[ !-&(-/:-@、。，．！？：；（）「」《》“”]?[ぁ-ゖァ-ヺ一-鿯가-힣]+")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def basis(model: str) -> Basis:
    """The tokenizer for a provider's model: o200k for gpt-4o and later, cl100k for all others."""
    name = model.rpartition("/")[2].removeprefix("ft:")
    return "o200k_base" if _O200K.match(name) else "cl100k_base"


@functools.cache
def load(basis: Basis) -> "TiktokenTokenizer":
    """The tokenizer, read from its file at the first call."""
    os.environ["TIKTOKEN_CACHE_DIR"] = str(litellm_files.folder() / "litellm_core_utils" / "tokenizers")
    return TiktokenTokenizer(importlib.import_module("tiktoken").get_encoding(basis))


class TiktokenTokenizer:
    """See `policies.base.Tokenizer`."""

    def __init__(self, encoding: Any) -> None:
        self._encoding = encoding
        self._wide = sorted(token for token in encoding.token_byte_values() if not token.isascii())
        self._longest = max(map(len, self._wide))

    def count(self, text: str) -> int:
        """See `Tokenizer.count`."""
        return len(self._encode(text))

    def cut(self, text: str, tokens: int) -> int:
        """See `Tokenizer.cut`."""
        data: bytes = self._encoding.decode_bytes(self._encode(text)[:tokens])
        return len(data.decode("utf-8", "ignore"))  # what is ignored is a character's beginning, at the end

    def settled(self, text: str, tokens: int) -> int | None:
        """See `Tokenizer.settled`."""
        run = _RUN.match(text)  # what is settled by its beginning stays so, whatever has come behind it already
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
        """Where a token may begin that goes on behind the end of `data`; its end included. Farthest first."""
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
        # Half a surrogate pair has no bytes of its own: it counts as the character that stands for what is broken.
        tokens: list[int] = self._encoding.encode_ordinary(_LONE_SURROGATE.sub("\ufffd", text))
        return tokens
