"""Pieces of an answer, and its token counts.

The same answer gives the same pieces in every format and on every call, except that some formats send tool calls whole.
Choices alternate piece by piece, as on a real wire.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Literal, TypeAlias

from proxy.simulator.answers import Answer, Tokens, tokens_in
from proxy.simulator.asks import Ask

Channel: TypeAlias = Literal["reasoning", "content", "refusal", "tool"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of one text of one choice.

    `tool` is the call's index among the choice's calls. `opens` is set on the first piece of a call, `closes` on the
    last piece of any text.
    """

    choice: int
    channel: Channel
    text: str
    tool: int = 0
    opens: bool = False
    closes: bool = False


def pieces_of(answer: Answer, choices: int, *, whole_calls: bool = False) -> tuple[Piece, ...]:
    """Cut an answer into pieces, in the order of sending."""
    told = [list(_choice(answer, choice, whole_calls)) for choice in range(choices)]
    return tuple(piece for piece in chain.from_iterable(zip_longest(*told)) if piece is not None)


def tokens_of(answer: Answer, ask: Ask, choices: int) -> Tokens:
    """Return the answer's own token counts, or count its text."""
    if answer.tokens:
        return answer.tokens
    reasoning = tokens_in(answer.reasoning) * choices
    said = sum(tokens_in(answer.text_of(choice)) for choice in range(choices))
    once = tokens_in(answer.refusal) + sum(tokens_in(t.name) + tokens_in(t.arguments) for t in answer.tools)
    return Tokens(prompt=ask.prompt_tokens, completion=reasoning + said + once * choices, reasoning=reasoning)


def _choice(answer: Answer, choice: int, whole_calls: bool) -> Iterator[Piece]:
    texts: tuple[tuple[Channel, str], ...] = (
        ("reasoning", answer.reasoning),
        ("content", answer.text_of(choice)),
        ("refusal", answer.refusal),
    )
    for channel, text in texts:
        cut = list(_cut(text, answer, choice))
        for at, part in enumerate(cut, 1):
            yield Piece(choice, channel, part, closes=at == len(cut))
    for index, call in enumerate(answer.tools):
        cut = [call.arguments] if whole_calls else ["", *_cut(call.arguments, answer, choice)]
        for at, part in enumerate(cut, 1):
            yield Piece(choice, "tool", part, index, opens=at == 1, closes=at == len(cut))


def _cut(text: str, answer: Answer, choice: int) -> Iterator[str]:
    if not answer.chunk:
        yield from [text] if text else []
        return
    sizes = random.Random(answer.seed * 31 + choice) if answer.seed is not None else None
    start = 0
    while start < len(text):
        size = sizes.randint(1, 2 * answer.chunk) if sizes else answer.chunk
        yield text[start : start + size]
        start += size
