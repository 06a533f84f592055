"""Every setting of a redact rule, on the rule and as its policy's default, in both modes, has its effect.

A row has two or more values with different answers. Otherwise it would test nothing.
"""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest

from proxy.simulator import Answer, ToolUse
from tests.end_to_end.leaks import answered, model_of, said, together, yaml
from tests.end_to_end.running import CONFIG, PROVIDERS, Running, running

pytestmark = pytest.mark.anyio
each_mode = pytest.mark.parametrize("mode", ["enforce", "shadow"])
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])

KEY = "a key of the operator's"
TICKET = {"name": "r", "regex": "PRJ-[0-9]{4}"}
WORD = {"name": "r", "words": ["secret"]}
LONG = {"name": "r", "regex": "A[0-9]{3,}Z", "replace": "[LONG]"}
SAYS, LONG_SAYS = "See PRJ-1234 now.", "See A123456789Z now."
HASHED = f"[R:{hmac.new(KEY.encode(), b'PRJ-1234', hashlib.sha256).hexdigest()[:12]}]"


@dataclass(frozen=True, slots=True)
class Setting:
    """A rule, its setting's value, and the client's result for `text`. With `for_policy`, it is set on the policy
    alone.
    """

    rule: dict[str, Any]
    switch: dict[str, Any]
    text: str
    expected: str
    for_policy: bool = False

    @property
    def action(self) -> str:
        return str(self.switch.get("action", "redact"))

    def policy(self, place: str, mode: str, **more: Any) -> dict[str, Any]:
        """The YAML of a policy with this setting at its `place`."""
        switch = {**self.switch, "mode": mode, **more}
        own, shared = (switch, {}) if place == "rule" and not self.for_policy else ({}, switch)
        if self.for_policy:
            own, shared = {"mode": mode, **more}, self.switch
        return {**shared, "hash_key": KEY, "rules": [{**self.rule, **own}]}

    @property
    def noted(self) -> bool:
        """True if the rule finds something."""
        return self.expected != self.text or self.action == "flag"


def ticket(expected: str, **switch: Any) -> Setting:
    return Setting(TICKET, switch, SAYS, expected)


def word(text: str, expected: str, **switch: Any) -> Setting:
    return Setting(WORD, switch, text, expected)


def bound(expected: str, **switch: Any) -> Setting:
    return Setting(LONG, switch, LONG_SAYS, expected, for_policy=True)


SWITCHES: dict[str, list[Setting]] = {
    "action": [
        ticket("See [R] now.", action="redact"),
        ticket(f"See {HASHED} now.", action="hash"),
        ticket("See ", action="block"),
        ticket(SAYS, action="flag"),
    ],
    "replace": [ticket("See [R] now."), ticket("See [TICKET] now.", replace="[TICKET]")],
    "mask": [ticket("See ******** now.", mask="*"), ticket("See ######## now.", mask="#")],
    "keep_last": [
        ticket("See ******** now.", mask="*", keep_last=0),
        ticket("See ****1234 now.", mask="*", keep_last=4),
    ],
    "normalize": [
        word("a ｓｅｃ\u200bｒｅｔ b", "a [R] b", normalize=True),
        word("a ｓｅｃ\u200bｒｅｔ b", "a ｓｅｃ\u200bｒｅｔ b", normalize=False),
    ],
    "ignore_case": [
        word("a SECRET b", "a [R] b", ignore_case=True),
        word("a SECRET b", "a SECRET b", ignore_case=False),
    ],
    "whole_word": [
        word("secretly secret", "[R]ly [R]", whole_word=False),
        word("secretly secret", "secretly [R]", whole_word=True),
    ],
    "max_hold": [
        bound("See [LONG] now.", max_hold=100),
        bound("See [REDACTED] now.", max_hold=2),
        bound("See A1234567[LONG] now.", max_hold=2, on_overflow="open"),
    ],
}
PLACES = ("rule", "policy")
MODES = ("enforce", "shadow")
CHANNELS = {
    "content": "0.content",
    "reasoning": "0.reasoning_content",
    "refusal": "0.refusal",
    "tools": "0.tool_calls.0.function.arguments",
}
DIRECTIONS = {"response": (False, True), "request": (True, False), "both": (True, True)}
"""For each direction: is the provider's text redacted, and is the client's?"""
ACTIONS = {"redact": "See [R] now.", "hash": f"See {HASHED} now.", "block": None, "flag": SAYS}
"""The remaining text of a request."""
CONVERSATION: list[dict[str, Any]] = [
    {"role": "system", "content": f"System. {SAYS}"},
    {"role": "user", "content": [{"type": "text", "text": f"Part. {SAYS}"}, {"type": "text", "text": SAYS}]},
    {
        "role": "assistant",
        "content": f"Assistant. {SAYS}",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"to": SAYS})}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": f"Tool. {SAYS}"},
    {"role": "user", "content": SAYS},
]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


def made() -> Iterator[tuple[str, dict[str, Any]]]:
    """All policies, by the prefix of the models that have them."""
    for (switch, settings), place, mode in product(SWITCHES.items(), PLACES, MODES):
        for at, setting in enumerate(settings):
            yield f"{switch}{at}-{place}-{mode}", setting.policy(place, mode)
    plain = Setting(TICKET, {}, SAYS, "")
    for place, mode in product(PLACES, MODES):
        for channel in CHANNELS:
            yield f"channel-{channel}-{place}-{mode}", plain.policy(place, mode, channels=[channel])
        for direction, action in product(DIRECTIONS, ACTIONS):
            chosen = plain.policy(place, mode, direction=direction, action=action)
            yield f"{direction}-{action}-{place}-{mode}", chosen


@pytest.fixture(scope="module")
async def shared(anyio_backend: object) -> AsyncIterator[Running]:
    chains = dict(made())
    models = "".join(model_of(prefix, p, [f"redact/{prefix}"]) for prefix in chains for p in PROVIDERS)
    config = yaml(policies={f"redact/{prefix}": policy for prefix, policy in chains.items()})
    async with running(CONFIG + models, config) as run:
        yield run


async def notes(run: Running, count: int) -> set[tuple[str | None, str]]:
    """Return the reported rules and actions of `count` requests."""
    await run.recorded(count)
    return {(note.rule, note.action) for record in run.records for note in record.notes}


@pytest.mark.parametrize("switch", SWITCHES)
def test_the_settings_of_a_switch_differ(switch: str) -> None:
    outcomes = [(setting.text, setting.expected) for setting in SWITCHES[switch]]
    assert len(set(outcomes)) == len(outcomes) > 1
    assert len({text for text, _ in outcomes}) == 1


@each_mode
@both_ways
@pytest.mark.parametrize("at", [(switch, at) for switch, row in SWITCHES.items() for at in range(len(row))], ids=str)
async def test_a_switch_on_the_answer(run: Running, at: tuple[str, int], stream: bool, mode: str) -> None:
    setting = SWITCHES[at[0]][at[1]]
    run.sim.answers |= {"one": Answer(setting.text, chunk=1), "whole": Answer(setting.text, chunk=0)}
    prefix = f"{at[0]}{at[1]}"
    cases = list(product(PLACES, PROVIDERS, ("one", "whole")))
    asked = [answered(run, f"{prefix}-{place}-{mode}-{p}-{model}", stream) for place, p, model in cases]
    for case, response in zip(cases, await together(asked), strict=True):
        expected = setting.expected if mode == "enforce" else setting.text
        assert said(response) == {"0.content": expected}, case
        blocked = setting.action == "block" and mode == "enforce"
        assert (b'"finish_reason":"content_filter"' in response.body) == blocked
    action = setting.action if mode == "enforce" else f"would_{setting.action}"
    assert await notes(run, len(cases)) == ({("r", action)} if setting.noted else set())


@each_mode
@both_ways
@pytest.mark.parametrize("channel", CHANNELS)
async def test_channels(run: Running, channel: str, stream: bool, mode: str) -> None:
    arguments = json.dumps({"to": SAYS})
    calls = (ToolUse("f", arguments),)
    run.sim.answers["m"] = lambda ask: Answer(
        SAYS, reasoning=SAYS, refusal=SAYS if ask.provider == "openai" else "", tools=calls, chunk=1
    )
    for place, name in product(PLACES, PROVIDERS):
        response = await answered(run, f"channel-{channel}-{place}-{mode}-{name}-m", stream, tools=TOOLS)
        got = {where: text for where, text in said(response).items() if where in CHANNELS.values()}
        texts = {c: arguments if c == "tools" else SAYS for c in CHANNELS if c != "refusal" or name == "openai"}
        if channel in texts and mode == "enforce":
            texts[channel] = texts[channel].replace("PRJ-1234", "[R]")
        assert {c: json.loads(got[CHANNELS[c]]) if c == "tools" else got[CHANNELS[c]] for c in texts} == {
            c: json.loads(text) if c == "tools" else text for c, text in texts.items()
        }
        assert len(got) == len(texts)


def texts_in(value: Any) -> list[str]:
    """All strings in a request."""
    if isinstance(value, str):
        return [value]
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for member in members for text in texts_in(member)]


@each_mode
@both_ways
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("direction", DIRECTIONS)
async def test_direction(run: Running, direction: str, action: str, stream: bool, mode: str) -> None:
    """The check covers the provider's data, in every kind of message, and the client's."""
    up, down = DIRECTIONS[direction] if mode == "enforce" else (False, False)
    run.sim.answers["m"] = Answer(SAYS, chunk=1)
    for place, name in product(PLACES, PROVIDERS):
        run.sim.forget()
        model = f"{direction}-{action}-{place}-{mode}-{name}-m"
        response = await answered(run, model, stream, messages=CONVERSATION, tools=TOOLS)
        if action == "block" and up:
            assert (response.status, response.error["code"]) == (400, "content_blocked") and not run.sim.calls
            continue
        assert_asked(run, (up and ACTIONS[action]) or SAYS)
        expected = ("See " if action == "block" else ACTIONS[action]) if down else SAYS
        assert said(response) == {"0.content": expected}, (place, name, response)
    did = action if mode == "enforce" else f"would_{action}"
    refused = action == "block" and up  # before it had a record of notes
    assert await notes(run, len(PLACES) * len(PROVIDERS)) == (set() if refused else {("r", did)})


def assert_asked(run: Running, expected: str) -> None:
    """Assert that the provider got this text in each message of `CONVERSATION`, and no other in its place."""
    [call] = run.sim.calls
    seen = "\n".join(texts_in(call.body))
    for message in ("System.", "Part.", "Assistant.", "Tool."):
        assert f"{message} {expected}" in seen
    assert seen.count(expected) == 7 - ('"to"' not in seen and expected not in seen)
    assert ("PRJ-1234" in seen) == ("PRJ-1234" in expected)
