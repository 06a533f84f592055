"""Events of Gemini's `streamGenerateContent`, in the real format, and an answer that holds every kind of them."""

from itertools import count
from typing import Any

from proxy.formats.gemini.decode import GeminiDecoder
from tests.proxy.formats.folding import Seen, fold, play

PARIS = {"functionCall": {"name": "lookup", "args": {"city": "Paris"}}}


def answer(
    *parts: Any, finish: str | None = None, usage: Any = None, index: int = 0, **candidate: Any
) -> dict[str, Any]:
    """One event with one candidate; as in the real format, index 0 is not written."""
    candidate |= {"content": {"parts": list(parts), "role": "model"}} if parts else {}
    candidate |= {"finishReason": finish} if finish else {}
    candidate |= {"index": index} if index else {}
    event = {"candidates": [candidate], "modelVersion": "gemini-2.5-flash", "responseId": "resp_1"}
    return event | ({"usageMetadata": usage} if usage else {})


def said(text: str, **more: Any) -> dict[str, Any]:
    return answer({"text": text}, **more)


def support(start: int | None, end: int, *chunks: int) -> dict[str, Any]:
    segment = {"endIndex": end} | ({"startIndex": start} if start is not None else {})
    return {"segment": segment, "groundingChunkIndices": list(chunks)}


def citation(place: int, url: str, title: str, start: int, end: int) -> dict[str, Any]:
    body = {"url": url, "title": title, "start_index": start, "end_index": end}
    return {"type": "url_citation", "url_citation": body, "index": place}


CHUNKS = [{"web": {"uri": "https://a.example/", "title": "A"}}, {"retrievedContext": {"text": "no address"}}]
CODE: dict[str, Any] = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
USAGE = {"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 7, "cachedContentTokenCount": 4}
EVERYTHING = [
    answer({"text": "Hm", "thought": True}, CODE, {"codeExecutionResult": {"output": "1"}}, usage=USAGE),
    answer({"text": "Grüße", "thoughtSignature": "c2ln"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
    answer({**PARIS, "thoughtSignature": "c2ln"}, PARIS, avgLogprobs=-0.5, safetyRatings=[{"category": "X"}]),
    said("zwei", index=1, usage={"promptTokenCount": 10, "toolUsePromptTokenCount": 3, "candidatesTokenCount": 9}),
    answer(finish="STOP", groundingMetadata={"groundingChunks": CHUNKS, "groundingSupports": [support(0, 7, 0, 1)]}),
    answer(finish="MAX_TOKENS", index=1, citationMetadata={"citationSources": [{"endIndex": 4, "uri": "https://b"}]}),
]


def seen(*events: Any, guarded: bool = True) -> Seen:
    """Return the client's state after an answer of these events."""
    ids = (f"call_{n}" for n in count())
    return fold(play(GeminiDecoder(guarded, lambda: next(ids)), events))
