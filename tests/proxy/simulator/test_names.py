"""The grammar of model names and of the x-sim header, row by row."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from proxy.simulator import Answer, InjectedFault, Simulator
from proxy.simulator.models import MODELS
from proxy.simulator.names import OPTIONS, BadName, apply, parse, parse_header

TEXT = "abcd" * 10


@pytest.mark.parametrize(
    ("option", "members"),
    [
        ("pace-20", {"pace": 0.02}),
        ("head-1500", {"head_delay": 1.5}),
        ("first-250", {"first_delay": 0.25}),
        ("chunk-7", {"chunk": 7}),
        ("chunk-0", {"chunk": 0}),
        ("seed-3", {"seed": 3}),
        ("batch-5", {"batch": 5}),
        ("cut-1", {"cut": 1}),
        ("drip-5", {"drip": 0.005}),
        ("tokens-2", {"text": "abcdabcd"}),
        ("tokens-12", {"text": "abcd" * 12}),
        ("think-3", {"reasoning": "The user wan"}),
        ("finish-length", {"finish": "length"}),
        ("finish-filter", {"finish": "content_filter"}),
        ("nousage", {"tells_usage": False}),
        ("fail-429", {"fault": InjectedFault("status", status=429)}),
        ("fail-429.retry-7", {"fault": InjectedFault("status", status=429, retry_after=7)}),
        ("retry-7.fail-429", {"fault": InjectedFault("status", status=429, retry_after=7)}),
        ("times-2.fail-500", {"fault": InjectedFault("status", status=500, times=2)}),
        ("hang", {"fault": InjectedFault("stall")}),
        ("drop", {"fault": InjectedFault("drop")}),
        ("reset", {"fault": InjectedFault("reset")}),
        ("after-0-stall", {"fault": InjectedFault("stall", after=0)}),
        ("after-3-drop", {"fault": InjectedFault("drop", after=3)}),
        ("after-3-reset", {"fault": InjectedFault("reset", after=3)}),
        ("after-3-error", {"fault": InjectedFault("error", after=3)}),
        ("after-3-error-429", {"fault": InjectedFault("error", after=3, status=429)}),
        ("after-3-eof", {"fault": InjectedFault("eof", after=3)}),
        ("after-3-malformed", {"fault": InjectedFault("malformed", after=3)}),
    ],
)
def test_an_option_changes_the_answer(option: str, members: dict[str, Any]) -> None:
    model, options = parse(f"sim-chat.{option}")
    assert model == "sim-chat"
    assert apply(Answer(TEXT), options) == Answer(**{"text": TEXT} | members)


def test_every_option_has_a_row_above() -> None:
    rows = test_an_option_changes_the_answer.pytestmark[0].args[1]
    used = {part.partition("-")[0] for option, _ in rows for part in option.split(".")}
    assert used == OPTIONS.keys()


@pytest.mark.parametrize("name", ["gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash", "simple", "similar.pace-x"])
def test_other_names_answer_as_sim_does(name: str) -> None:
    assert parse(name) == ("sim", [])


def test_names_hold_only_what_model_names_may() -> None:
    allowed = re.compile(r"[A-Za-z0-9._:@-]+")
    assert all(allowed.fullmatch(name) for name in [*MODELS, *OPTIONS])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("sim-nope", "It has: sim, sim-chat"),
        ("sim.speed-3", "It knows: pace"),
        ("sim.pace-fast", "milliseconds between pieces"),
        ("sim.pace--5", "cannot be '-5'"),
        ("sim.batch-0", "cannot be '0'"),
        ("sim.tokens-999999999", "cannot be '999999999'"),
        ("sim.after-3", "K-KIND"),
        ("sim.after-3-explode", "K-KIND"),
        ("sim.after-3-status", "K-KIND"),
        ("sim.finish-never", "finish reason"),
        ("sim.fail-200", "cannot be '200'"),
    ],
)
def test_what_the_grammar_does_not_know_is_an_error_that_says_what_it_knows(name: str, says: str) -> None:
    with pytest.raises(BadName, match=re.escape(says)):
        apply(Answer(TEXT), parse(name)[1])


@pytest.mark.parametrize(
    ("header", "options", "members"),
    [
        (None, [], {}),
        ("pace=20; chunk=4", [("pace", "20"), ("chunk", "4")], {}),
        ("after=3-drop;nousage", [("after", "3-drop"), ("nousage", "")], {}),
        ('{"text": ["a", "b"], "pace": 0.5}', [], {"text": ("a", "b"), "pace": 0.5}),
        ('{"fault": {"kind": "drop", "after": 2}}', [], {"fault": InjectedFault("drop", after=2)}),
    ],
)
def test_the_header_says_the_same(header: str | None, options: list[Any], members: dict[str, Any]) -> None:
    assert parse_header(header) == (options, members)


@pytest.mark.parametrize("header", ['{"txt": "a"}', "{", '{"fault": {"kind": "status", "after": 1}}'])
def test_a_wrong_header_is_an_error(header: str) -> None:
    with pytest.raises(BadName, match="x-sim header"):
        parse_header(header)


@pytest.mark.anyio
@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
async def test_a_bad_name_is_not_found_in_the_provider_s_shape(
    sim: Simulator, http: httpx.AsyncClient, post: Callable[..., Any], provider: str
) -> None:
    response = await http.post(**post(provider, "sim-nope").arguments)
    assert response.status_code == 404
    assert "no model 'sim-nope'" in response.json()["error"]["message"]


@pytest.mark.anyio
async def test_name_and_header_work_together(sim: Simulator, http: httpx.AsyncClient, post: Callable[..., Any]) -> None:
    request = post("openai", "sim-chat.tokens-2", stream=False)
    request.headers["x-sim"] = '{"finish": "content_filter"}'
    choice = (await http.post(**request.arguments)).json()["choices"][0]
    assert (choice["finish_reason"], len(choice["message"]["content"])) == ("content_filter", 8)
