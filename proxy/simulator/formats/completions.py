"""OpenAI's legacy text completions.

Rule: the chunk's members and their order are the real API's.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from proxy.simulator.answers import Answer, tokens_in
from proxy.simulator.asks import Ask
from proxy.simulator.formats.base import PLACEHOLDER, Telling, Terms, encode, require
from proxy.simulator.formats.openai import OpenAI, usage_of
from proxy.simulator.pieces import pieces_of

_ID = f"cmpl-{PLACEHOLDER}"


class OpenAICompletions(OpenAI):
    """POST /v1/completions. With `echo` each answer begins with its prompt."""

    def read(self, body: Any, path: str, query: Mapping[str, str]) -> Ask:
        require(isinstance(body, dict) and isinstance(body.get("model"), str), "you must provide a model parameter")
        prompt = body.get("prompt")
        require(prompt, "you must provide a prompt parameter", param="prompt")
        require("messages" not in body, "Unrecognized request argument supplied: messages", param="messages")
        prompts = prompt if isinstance(prompt, list) and not isinstance(prompt[0], int) else [prompt]
        texts = [text for text in prompts if isinstance(text, str)]
        return Ask(
            provider="openai",
            model=body["model"],
            stream=bool(body.get("stream")),
            prompt=texts[-1] if texts else "",
            prompt_tokens=sum(map(tokens_in, texts)),
            choices=len(prompts) * (body.get("n") or 1),
            max_tokens=body.get("max_tokens") or 16,
            include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            logprobs=body.get("logprobs") is not None,
            echo=texts[0] if body.get("echo") and len(texts) == 1 else "",
        )

    def stream(self, answer: Answer, terms: Terms) -> Telling:
        answer = _echoed(answer, terms)
        pieces = pieces_of(answer, terms.choices)
        usage = terms.include_usage and answer.tells_usage

        def chunk(choice: int, text: str, finish: str | None = None) -> bytes:
            told = [_choice(choice, text, finish, logprobs=terms.logprobs)]
            return b"data: " + encode(_envelope(terms, told) | ({"usage": None} if usage else {})) + b"\n\n"

        closing = b"".join(chunk(choice, "", answer.finish_reason) for choice in range(terms.choices))
        if usage:
            closing += b"data: " + encode(_envelope(terms, []) | {"usage": usage_of(terms)}) + b"\n\n"
        chunks = tuple(chunk(piece.choice, piece.text) for piece in pieces)
        return Telling(opening=b"", chunks=chunks, closing=closing + b"data: [DONE]\n\n", pieces=pieces)

    def whole(self, answer: Answer, terms: Terms) -> bytes:
        answer = _echoed(answer, terms)
        choices = [
            _choice(choice, answer.text_of(choice), answer.finish_reason, logprobs=terms.logprobs)
            for choice in range(terms.choices)
        ]
        return encode(_envelope(terms, choices) | ({"usage": usage_of(terms)} if answer.tells_usage else {}))


def _echoed(answer: Answer, terms: Terms) -> Answer:
    """The text of an answer, which is all that this format has."""
    answer = replace(answer, reasoning="", refusal="", tools=())
    texts = answer.text if isinstance(answer.text, tuple) else (answer.text,)
    return replace(answer, text=tuple(terms.echo + text for text in texts) if terms.echo else answer.text)


def _envelope(terms: Terms, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": _ID, "object": "text_completion", "created": terms.now, "model": terms.model, "choices": choices}


def _choice(choice: int, text: str, finish: str | None, *, logprobs: bool) -> dict[str, Any]:
    logged = {"tokens": [text], "token_logprobs": [-0.01], "top_logprobs": None, "text_offset": [0]}
    return {"text": text, "index": choice, "logprobs": logged if logprobs and text else None, "finish_reason": finish}
