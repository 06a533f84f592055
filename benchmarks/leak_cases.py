"""Cases of `scripts/bench leaks`: made-up secrets in each field, cut at every position.

A case is one answer of the simulator, one request, and the secret that must not come out. The text around a secret is
clean. The text before it is longer than the secret, so that a piece as long as everything before a position ends
exactly there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.peers import Pattern, custom, prebuilt

BEFORE = (
    "The quick summary you asked for is below, and it begins with a long sentence that holds nothing of interest to "
    "anybody, so that whatever stands behind it is cut in two at one place only, wherever that place may be. Here: "
)
AFTER = " and that is all there is."
CLEAN_PROMPT = "Please sum up the notes."
PERSONAL_PROMPT = "Please sum up the notes of carol.king@heathfield-post.org, phone 415-555-0132."
_JWT = r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret, Sluice's entity for it, and LiteLLM's pattern."""

    entity: str
    text: str
    pattern: Pattern


SECRETS = (
    Secret("email", "ann.lee@brookfield-mail.net", prebuilt("email")),
    Secret("credit_card", "4539 5787 6362 1486", prebuilt("visa")),
    Secret("us_ssn", "536-22-8712", prebuilt("us_ssn")),
    Secret("aws_access_key_id", "AKIA" + "QW3RT5YU7IO9PA2S", prebuilt("aws_access_key")),
    Secret("github_token", "ghp_" + "k9TbX2mQ7" * 4, prebuilt("github_token")),
    Secret("jwt", f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0{'MiIsIm5hb' * 5}.{'Zk3qPwT8' * 5}", custom("jwt", _JWT)),
)


@dataclass(frozen=True, slots=True)
class Place:
    """The place of the secret: members of the simulator's answer and of the request.

    `TEXT` in the answer is the text with the secret, written as `form` says. `seen` is the member of the response that
    should contain the text. `end` is the answer's end: stop, length or death. By default the prompt contains personal
    data, because one of the gateways checks only answers to such prompts.
    """

    name: str
    answer: dict[str, Any]
    request: dict[str, Any] = field(default_factory=dict)
    seen: str = "content"
    form: str = "%s"
    escaped: bool = False
    end: str = "stop"
    prompt: str = PERSONAL_PROMPT


TEXT = "TEXT"
_NOTE = '{"note": "%s"}'
_AS_JSON = {"response_format": {"type": "json_object"}}
_TOOLS = {"tools": [{"type": "function", "function": {"name": "note", "parameters": {"type": "object"}}}]}
_CALL = {"tools": [{"name": "note", "arguments": TEXT}]}
PLACES = (
    Place("content", {"text": TEXT}),
    Place("content, no personal data in the prompt", {"text": TEXT}, prompt=CLEAN_PROMPT),
    Place("reasoning", {"reasoning": TEXT, "text": "Done."}, seen="reasoning_content"),
    Place("tool-call arguments", _CALL, _TOOLS, seen="arguments", form=_NOTE),
    Place("refusal", {"refusal": TEXT}, seen="refusal"),
    Place("logprobs", {"text": TEXT}, {"logprobs": True}),
    Place("JSON", {"text": TEXT}, _AS_JSON, form=_NOTE),
    Place("JSON, characters escaped", {"text": TEXT}, _AS_JSON, form=_NOTE, escaped=True),
    Place("the second of two choices", {"text": ["Nothing here.", TEXT]}, {"n": 2}),
    Place("whole answer, not streamed", {"text": TEXT}, {"stream": False}),
    Place("provider dies in it", {"text": TEXT}, end="death"),
    Place("cut by the token limit in it", {"text": TEXT, "finish": "length"}, end="length"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One run: the model's name in the simulator, its answer, the request's members besides model and messages."""

    place: Place
    secret: Secret
    model: str
    answer: dict[str, Any]


def cases(place: Place) -> Iterator[Case]:
    """Yield all runs of a place: each secret whole, in pieces of 1 and 4 characters, and cut at each
    position within.
    """
    for secret in SECRETS:
        spelled = _escaped(secret.text) if place.escaped else secret.text
        start = place.form.index("%s") + len(BEFORE)
        for at in range(1, len(spelled)):
            yield _case(place, secret, spelled, start + at, at)
        if place.end == "stop":
            for chunk in (0, 1, 4):
                yield _case(place, secret, spelled, chunk, len(spelled))


def control(secret: Secret) -> Case:
    """Make the control case: the secret whole, in one piece of content. A gateway that misses it does not look for its
    kind.
    """
    return _case(PLACES[0], secret, secret.text, 0, len(secret.text))


def _case(place: Place, secret: Secret, spelled: str, chunk: int, at: int) -> Case:
    answer: dict[str, Any] = {"chunk": chunk}
    text = BEFORE + spelled + AFTER
    match place.end:
        case "death":
            answer["fault"] = {"kind": "drop", "after": 1}
        case "length":
            answer["chunk"] = 24
            text = BEFORE + spelled[:at]
    answer |= {member: _filled(value, place.form % text) for member, value in place.answer.items()}
    name = re.sub(r"[^a-z0-9]+", "-", f"{place.name}-{secret.entity}-{chunk}-{at}".lower())
    return Case(place, secret, f"case-{name}", answer)


def _filled(value: Any, text: str) -> Any:
    """Return the value with `text` in the places of TEXT."""
    match value:
        case str():
            return text if value == TEXT else value
        case list():
            return [_filled(one, text) for one in value]
        case dict():
            return {name: _filled(one, text) for name, one in value.items()}
    return value


def _escaped(text: str) -> str:
    """Replace each third character by JSON's escape."""
    return "".join(f"\\u{ord(c):04x}" if at % 3 == 1 else c for at, c in enumerate(text))
