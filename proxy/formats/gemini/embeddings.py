"""Embeddings in Gemini's batchEmbedContents format: the request's body, and the decoder of an answer.

Decisions:
- All inputs are one batch, whose limit is the provider's: more are refused by name, because several batches could be
  answered in part.
- Token numbers are refused: they are another tokenizer's.
- `user` is bookkeeping and left out. Any other parameter is refused, or dropped with `drop_params: true`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from policies.events import Attachment, End, Usage
from proxy.errors import InvalidRequest
from proxy.formats.base import Decoded
from proxy.formats.fields import UNREADABLE, count, obj
from proxy.formats.jsontext import loads
from proxy.formats.openai_embeddings import FIELD, EmbeddingsDecoder, inputs, vectors

MAX_BATCH: Final = 100
"""Texts that the provider takes in one batch."""

_KNOWN: Final = frozenset({"model", "input", "user", "encoding_format", "dimensions", "stream"})


def embeddings_body(model: str, body: Mapping[str, Any], *, drop: bool) -> dict[str, Any]:
    """The body for a valid request. Raises `InvalidRequest`."""
    texts = inputs(body["input"])
    if len(texts) > MAX_BATCH:
        text = f"Gemini takes at most {MAX_BATCH} texts in one request, and this one has {len(texts)}: send several."
        raise InvalidRequest(text, param="input", code="array_above_max_length")
    if not all(isinstance(one, str) for one in texts):
        raise InvalidRequest("Gemini takes no token numbers: send texts.", param="input", code="unsupported_value")
    unknown = next((name for name, value in body.items() if name not in _KNOWN and value is not None), None)
    if unknown is not None and not drop:
        raise InvalidRequest(
            f"Gemini has no parameter {unknown[:100]!r} for embeddings: leave it out, or have the operator set "
            "`drop_params: true` for the model.",
            param=unknown[:100],
            code="unsupported_parameter",
        )
    size = body.get("dimensions")
    wanted = {} if size is None else {"outputDimensionality": size}
    return {"requests": [{"model": f"models/{model}", "content": {"parts": [{"text": t}]}, **wanted} for t in texts]}


class GeminiEmbeddingsDecoder(EmbeddingsDecoder):
    """A `proxy.formats.base.Decoder` of a whole answer."""

    def whole(self, body: bytes) -> Sequence[Decoded]:
        """The vectors, the counts where the provider tells them, and the end."""
        try:
            answer = obj(loads(body))
        except ValueError:
            return [UNREADABLE]
        found = vectors(answer.get("embeddings"), "values")
        if found is None:
            return [UNREADABLE]
        prompt = count(obj(answer.get("usageMetadata")).get("promptTokenCount"))
        counts = [Usage(prompt, 0)] if prompt else []
        return [Attachment(0, FIELD, found), *counts, End("natural")]
