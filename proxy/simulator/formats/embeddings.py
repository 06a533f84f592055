"""Embeddings of OpenAI and Gemini: vectors that depend only on the input's index.

A request is checked as strictly as by the real API.
"""

import base64
import struct
from collections.abc import Mapping
from typing import Any

from proxy.simulator.answers import Answer, tokens_in
from proxy.simulator.asks import Ask
from proxy.simulator.formats.base import COMPACT, SPACED, Telling, Terms, encode, require, words
from proxy.simulator.formats.gemini import Gemini
from proxy.simulator.formats.gemini_request import camel_keys
from proxy.simulator.formats.openai import OpenAI

DIMENSIONS = 8
MAX_BATCH = 100
_KNOWN = words("model input encoding_format dimensions user")


def vector(index: int, size: int) -> list[float]:
    """The vector of the input at a place. Each number is exact in single precision."""
    return [index + place / 8 for place in range(size)]


class OpenAIEmbeddings(OpenAI):
    """POST /v1/embeddings."""

    def read(self, body: Any, path: str, query: Mapping[str, str]) -> Ask:
        require(isinstance(body, dict), "Send a JSON object.")
        for name in body:
            require(name in _KNOWN, f"Unrecognized request argument supplied: {name}", param=name)
        given = body.get("input")
        several = isinstance(given, list) and not (given and isinstance(given[0], int))
        inputs = given if several else [given]
        require(inputs and len(inputs) <= 2048, "'$.input' is invalid. Please check the API reference.", param="input")
        require(body.get("encoding_format", "float") in ("float", "base64"), "Invalid encoding_format.")
        return Ask(
            provider="openai",
            model=body["model"],
            stream=False,
            prompt_tokens=sum(tokens_in(text) if isinstance(text, str) else len(text) for text in inputs),
            choices=len(inputs),
            dimensions=body.get("dimensions") or DIMENSIONS,
            base64=body.get("encoding_format") == "base64",
        )

    def stream(self, answer: Answer, terms: Terms) -> Telling:
        raise NotImplementedError

    def whole(self, answer: Answer, terms: Terms) -> bytes:
        data = [
            {"object": "embedding", "index": index, "embedding": _told(vector(index, terms.dimensions), terms.base64)}
            for index in range(terms.choices)
        ]
        told: dict[str, Any] = {"object": "list", "data": data, "model": terms.model}
        prompt = terms.tokens.prompt
        usage = {"usage": {"prompt_tokens": prompt, "total_tokens": prompt}} if answer.tells_usage else {}
        return encode(told | usage, COMPACT)


class GeminiEmbeddings(Gemini):
    """POST /v1beta/models/{model}:batchEmbedContents. It tells no counts."""

    def read(self, body: Any, path: str, query: Mapping[str, str]) -> Ask:
        require(isinstance(body, dict) and body.keys() == {"requests"}, "Invalid JSON payload received.")
        requests = [camel_keys(request) for request in body["requests"]]
        require(0 < len(requests) <= MAX_BATCH, f"* BatchEmbedContentsRequest.requests: at most {MAX_BATCH} requests\n")
        model = path.rpartition("/")[2].rpartition(":")[0]
        for request in requests:
            require(request.get("model") == f"models/{model}", "Model does not match the path.")
        texts = [part["text"] for request in requests for part in request["content"]["parts"]]
        return Ask(
            provider="gemini",
            model=model,
            stream=False,
            prompt_tokens=sum(map(tokens_in, texts)),
            choices=len(requests),
            dimensions=requests[0].get("outputDimensionality") or DIMENSIONS,
        )

    def stream(self, answer: Answer, terms: Terms) -> Telling:
        raise NotImplementedError

    def whole(self, answer: Answer, terms: Terms) -> bytes:
        told = [{"values": vector(index, terms.dimensions)} for index in range(terms.choices)]
        return encode({"embeddings": told}, SPACED)


def _told(numbers: list[float], packed: bool) -> Any:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode() if packed else numbers
