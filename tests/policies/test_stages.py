"""The stages of a chain together: json_guard, redact and token_cap.

A capped client gets the beginning of an uncapped client's text, cut by the tokenizer, whatever the provider's chunks.
The oracle redacts the whole text with `re`, encodes it, and keeps the first tokens.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from hypothesis import example, given, settings
from hypothesis import strategies as st

from policies import POLICIES
from policies.base import Context, Policy, Request
from policies.chain import Chain
from policies.events import End, Event, Finish, Text, ToolCall
from policies.steps import finished
from policies.token_meter import HOLD, boundaries
from proxy.accounting.tokenizers import load
from tests.policies.redact.oracle import oracle_rule, redacted
from tests.policies.texts import SAMPLES, cut

Field: TypeAlias = str | int
"""A text of a choice: its channel, or the index of a tool call."""
Run: TypeAlias = tuple[int, Field, str]
"""A stretch of one text: choice, field, text."""

TOKENIZER = load("o200k_base")
RULES: list[dict[str, Any]] = [
    {"name": "words", "words": ["strawberry jam", "密碼", "goodday", "endoftext"]},
    {"name": "number", "regex": r"\b\d{3}-\d{4}(?:-\d{4})?\b", "replace": "[NO]"},
    {"name": "emoji", "regex": "🎉{2,3}", "replace": "<|endoftext|>"},
]
ORACLE = [oracle_rule(rule) for rule in RULES]
REDACT = POLICIES["redact"].config(rules=RULES)
SECRETS = (
    "strawberry jam",
    "strawberry ja",
    "我的密碼是",
    "call 555-1234 or 555-1234-99",
    "🎉🎉🎉🎉",
    "a gooddaylight",
)
answers = st.lists(st.sampled_from(SAMPLES) | st.sampled_from(SECRETS) | st.text("ab 1密-🎉<|", max_size=8), max_size=4)
tails = st.sampled_from(("", "", "str", "a strawberry j", "ungoodd", "-endofte", "x 555-12", "🎉"))
prose = st.builds(lambda parts, tail: " ".join(parts) + tail, answers, tails)
"""Generate texts, often with an end that redaction holds until the text is complete."""
FORMAT = {"type": "json_schema", "json_schema": {"schema": {"type": "object", "required": ["a"]}}}


def chain(choices: int = 1, cap: Mapping[str, int] | None = None, *, guarded: bool = False) -> Chain:
    """Make a chain: json_guard if requested, redact, and the cap if there is one, in the usual order."""
    context = Context("m", lambda: 0.0, json_answer=guarded, choices=choices, tokenizer=lambda: TOKENIZER)
    wanted = {"json_guard": {} if guarded else None, "token_cap": cap}
    policies: list[Policy] = [POLICIES["redact"].build("redact/t", REDACT, context)]
    for name, config in wanted.items():
        if config is not None:
            policies.append(POLICIES[name].build(f"{name}/t", POLICIES[name].config(**config), context))
    made = Chain(sorted(policies, key=lambda policy: POLICIES[policy.name.partition("/")[0]].stage))
    finished(made.request(Request({"messages": [], "response_format": FORMAT})))
    return made


def event(choice: int, field: Field, text: str) -> Event:
    if isinstance(field, int):
        return ToolCall(choice, field, arguments=text)
    return Text(choice, field, text)  # type: ignore[arg-type]


def fed(made: Chain, runs: Sequence[Run], ends: Mapping[int, Any]) -> dict[tuple[int, Field], str]:
    """Return the client's joined texts after these runs and each choice's finish."""
    events = [event(*run) for run in runs] + [Finish(choice, reason) for choice, reason in ends.items()]
    found: dict[tuple[int, Field], str] = {}
    for out in (out for event in [*events, End("natural")] for out in made.feed(event)):
        match out:
            case Text(choice, channel, text):
                found[choice, channel] = found.get((choice, channel), "") + text
            case ToolCall():
                found[out.choice, out.index] = found.get((out.choice, out.index), "") + out.arguments
    return {key: text for key, text in found.items() if text}


def joined(runs: Sequence[Run], choice: int, field: Field) -> str:
    return "".join(text for c, f, text in runs if (c, f) == (choice, field))


def first(text: str, tokens: int) -> str:
    return text[: TOKENIZER.cut(text, tokens)]


def is_sure(text: str) -> bool:
    """Return true if no run of the text is longer than a cap holds."""
    return all(b - a <= HOLD for a, b in itertools.pairwise([0, *boundaries(text), len(text)]))


@settings(max_examples=100, deadline=None)
@given(data=st.data(), texts=st.tuples(prose, prose), thought=prose, most=st.integers(1, 60))
@example(data=None, texts=("jam is ungoodd", "<|endoftext|>"), thought="let me str", most=3)
def test_each_answer_is_its_redacted_text_cut_by_the_tokenizer(
    data: st.DataObject | None, texts: tuple[str, str], thought: str, most: int
) -> None:
    runs: list[Run] = [(0, "reasoning", thought)]
    cuts = [[text] if data is None else data.draw(cut(text)) for text in texts]
    for pair in itertools.zip_longest(*cuts):
        runs += [(choice, "content", piece) for choice, piece in enumerate(pair) if piece]
    made = chain(2, {"max_tokens": most})
    out = fed(made, runs, {0: "stop", 1: "stop"})
    for choice, text in enumerate(texts):
        whole = redacted(ORACLE, text)
        if is_sure(whole):
            assert out.get((choice, "content"), "") == first(whole, most)
            assert (made.finished[choice] == "length") == (TOKENIZER.count(whole) > most)
    if made.finished[0] == "stop":
        assert out.get((0, "reasoning"), "") == redacted(ORACLE, thought)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), thought=prose, answer=prose, most=st.integers(1, 40))
@example(data=None, thought=SAMPLES[-1], answer="yes", most=17)
@example(data=None, thought="well I'LL", answer="yes", most=2)
@example(data=None, thought="a strawberry j", answer="yes", most=2)
def test_thoughts_are_cut_alike_and_nothing_follows(
    data: st.DataObject | None, thought: str, answer: str, most: int
) -> None:
    whole = redacted(ORACLE, thought)
    runs: list[Run] = [(0, "reasoning", piece) for piece in ([thought] if data is None else data.draw(cut(thought)))]
    made = chain(cap={"max_reasoning_tokens": most})
    out = fed(made, [*runs, (0, "content", answer)], {0: "stop"})
    assert whole.startswith(out.get((0, "reasoning"), ""))
    if not is_sure(whole):
        return
    shown = out.get((0, "reasoning"), "")  # the first tokens of the whole, or a beginning that itself has no more
    assert first(whole, most).startswith(shown) or TOKENIZER.count(shown) <= most or TOKENIZER.count(whole) <= most
    if TOKENIZER.count(whole) <= most - 1:
        assert out == fed(chain(), [(0, "reasoning", thought), (0, "content", answer)], {0: "stop"})
    alone = fed(chain(cap={"max_reasoning_tokens": most}), runs, {0: "stop"})
    assert alone.get((0, "reasoning"), "") == first(whole, most)


fields: st.SearchStrategy[Any] = st.sampled_from(("content", "reasoning", "refusal", 0, 1))
ends = st.sampled_from(("stop", "length", "content_filter"))


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(),
    runs=st.lists(st.tuples(st.integers(0, 1), fields, prose), max_size=6),
    cap=st.fixed_dictionaries(
        {"max_tokens": st.integers(1, 60)}, optional={"max_reasoning_tokens": st.integers(1, 40)}
    ),
    end=st.tuples(ends, ends),
)
def test_capped_is_the_beginning_of_uncapped_for_every_chunking(
    data: st.DataObject, runs: list[Run], cap: dict[str, int], end: tuple[str, str]
) -> None:
    finishes = dict(enumerate(end))
    cut_up = [(choice, field, piece) for choice, field, text in runs for piece in data.draw(cut(text))]
    uncapped = fed(chain(2), runs, finishes)
    capped, again = chain(2, cap), chain(2, cap)
    out = fed(capped, runs, finishes)
    assert fed(again, cut_up, finishes) == out
    assert (again.finished, again.stopped) == (capped.finished, capped.stopped)
    assert all(uncapped.get(key, "").startswith(text) for key, text in out.items())
    for choice in (0, 1):
        if capped.finished[choice] == end[choice] != "content_filter" and choice not in capped.stopped:
            assert [out.get((choice, f)) for f in ("content", 0)] == [uncapped.get((choice, f)) for f in ("content", 0)]


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(),
    members=st.dictionaries(st.sampled_from("abc"), st.sampled_from(SECRETS) | prose, max_size=3),
    rest=st.sampled_from(("", "}", "\nHope this helps!")),
    escaped=st.booleans(),
    most=st.integers(1, 60),
)
def test_guarded_json_is_cut_alike(
    data: st.DataObject, members: dict[str, str], rest: str, escaped: bool, most: int
) -> None:
    text = json.dumps(members, ensure_ascii=escaped) + rest
    runs: list[Run] = [(0, "content", piece) for piece in data.draw(cut(text))]
    free = chain(guarded=True)
    capped, again = (chain(cap={"max_tokens": most}, guarded=True) for _ in range(2))
    uncapped = fed(free, [(0, "content", text)], {0: "stop"}).get((0, "content"), "")
    out = fed(capped, runs, {0: "stop"}).get((0, "content"), "")
    assert out == fed(again, [(0, "content", text)], {0: "stop"}).get((0, "content"), "")
    assert again.stopped == capped.stopped
    if not is_sure(uncapped):
        assert uncapped.startswith(out)
    elif free.stopped:  # the guard's stop drops what the cap still holds
        assert first(uncapped, most).startswith(out)
    else:
        assert out == first(uncapped, most)
