"""`sluice status`, `report`, `cancel` and `reload` against a running gateway: in a pipe, and in a terminal."""

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import render as pictures
from proxy.cli.commands import main
from proxy.simulator import Answer, InjectedFault
from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.process import ROOT
from tests.end_to_end.reloading import BROKEN, Reloading, reloading
from tests.end_to_end.running import Running, running
from tests.end_to_end.wire import chat, client
from tests.proxy.cli.shell import Ended, piped, shown, terminal

pytestmark = pytest.mark.anyio

POLICIES = """
default_policies: [redact/words]
policies:
  redact/words:
    rules:
      - {{name: never, words: [nonesuch]}}
      - {{name: word, words: [word]}}
      - {{name: "tried\\e[31m", words: [one], mode: shadow}}
"""
KEYS = """
auth:
  keys:
    - {{name: team, key: team-key-0123456789}}
    - {{name: ops, key: ops-key-0123456789, admin: true}}
"""
COLOUR = "\x1b["


async def in_pipe(run: Running, *arguments: str, **environ: str) -> Ended:
    return await asyncio.to_thread(piped, *arguments, **{"SLUICE_URL": run.url, **environ})


async def in_terminal(run: Running, *arguments: str, **environ: str) -> Ended:
    return await asyncio.to_thread(shown, *arguments, **{"SLUICE_URL": run.url, **environ})


@pytest.fixture(scope="module")
async def acting(anyio_backend: object) -> AsyncIterator[Running]:
    """A gateway that has served: two redacted answers, one failure."""
    async with running(extra=POLICIES) as run, plain(run.url) as http:
        run.sim.answers["m"] = Answer("one word")
        run.sim.answers["down"] = Answer(fault=InjectedFault("status", status=500))
        for model in ("openai-m", "openai-m", "gemini-down"):
            await http.post(CHAT, json=ask(model))
        yield run


# ---- status
async def test_status_shows_streams_totals_and_targets(acting: Running) -> None:
    acting.sim.answers["slow"] = Answer("a b c d ", chunk=4, fault=InjectedFault("stall", after=1))
    async with client(acting.port) as ours:
        await ours.send(chat("anthropic-slow"))
        await ours.until(b"a b")
        (id,) = [request.record.id for request in acting.gateway.streams]
        for ended in (await in_pipe(acting, "status"), await in_terminal(acting, "status")):
            assert ended.code == 0
            for text in (id, "anthropic-slow", "1 of 2000 in flight", "3 requests", "1 upstream_error", "openai/m"):
                assert text in ended.out
        ours.close()


async def test_colours_are_for_terminals(acting: Running) -> None:
    assert COLOUR not in (await in_pipe(acting, "status")).out
    assert COLOUR in (await in_terminal(acting, "status")).out
    assert COLOUR not in (await in_terminal(acting, "status", NO_COLOR="1")).out


async def test_status_as_json_is_the_gateways_answer(acting: Running) -> None:
    found = json.loads((await in_pipe(acting, "status", "--json")).out)
    assert found["totals"]["requests"] >= 3
    assert {"config", "streams", "targets", "draining"} <= found.keys()


async def test_status_can_be_watched_until_ctrl_c(acting: Running) -> None:
    def watch() -> Ended:
        with terminal("status", "--watch", "--every", "0.2", SLUICE_URL=acting.url) as running:
            running.until("STREAMS")
            seen = running.until("\x1b[2J").count("TOTALS")
            running.type("\x03")
            ended = running.ended()
            assert ended.out.count("TOTALS") >= seen
            return ended

    assert (await asyncio.to_thread(watch)).code == 0


async def test_a_refused_configuration_is_status_1_and_shown(tmp_path: Path) -> None:
    async with reloading(tmp_path / "config.yaml") as run:
        run.save(run.file.read_text() + BROKEN)
        problem = await run.refuses()
        ended = await in_pipe(run, "status")
        assert ended.code == 1
        assert problem in ended.out and "was refused" in ended.out


# ---- report
async def test_report_shows_each_rule_and_what_a_shadow_rule_would_have_done(acting: Running) -> None:
    lines = (await in_pipe(acting, "report")).out.splitlines()
    (never,) = [line.split() for line in lines if " never " in line]
    assert never == ["redact/words", "never", "enforce", "redact", "0", "0", "-"]
    (word,) = [line.split() for line in lines if " word " in line]
    (tried,) = [line.split() for line in lines if "shadow" in line]
    assert word[:6] == ["redact/words", "word", "enforce", "redact", "2", "2"]
    assert tried[:6] == ["redact/words", "tried\\x1b[31m", "shadow", "would_redact", "2", "2"]
    assert COLOUR in (await in_terminal(acting, "report")).out
    assert len(json.loads((await in_pipe(acting, "report", "--json")).out)["rules"]) == 3


# ---- cancel
@pytest.mark.parametrize("run_in", [in_pipe, in_terminal])
async def test_cancel_stops_a_stream(acting: Running, run_in: Any) -> None:
    acting.sim.answers["slow"] = Answer("a b c d ", chunk=4, fault=InjectedFault("stall", after=1))
    async with client(acting.port) as ours:
        await ours.send(chat("openai-slow"))
        await ours.until(b"a b")
        (id,) = [request.record.id for request in acting.gateway.streams]
        ended = await run_in(acting, "cancel", id)
        assert (ended.code, "cancelled" in ended.out) == (0, True)
        assert (await ours.response()).events[-1] == "[DONE]"
        again = await run_in(acting, "cancel", id)
        assert again.code == 1 and "may have ended already" in again.out + again.err


async def test_an_id_is_no_path(acting: Running) -> None:
    ended = await in_pipe(acting, "cancel", "../../admin/reload")
    assert ended.code == 1 and "No route" in ended.err


# ---- reload
async def test_reload_says_what_became_of_the_file(tmp_path: Path) -> None:
    async with reloading(tmp_path / "config.yaml", watch=False) as run:
        await _says(run, 0, "in use already: ")
        run.file.write_text(run.file.read_text().replace("port: 0,", "port: 9,"))
        await _says(run, 0, "loaded: ", "server.port was changed: it takes effect after a restart")
        run.file.write_text(run.file.read_text() + BROKEN)
        await _says(run, 1, "refused: ", f"{run.file}:")
        ended = await in_terminal(run, "reload")
        assert ended.code == 1 and COLOUR in ended.out and "refused: " in ended.out


async def _says(run: Reloading, code: int, *texts: str) -> None:
    ended = await in_pipe(run, "reload")
    assert ended.code == code, ended
    for text in texts:
        assert text in ended.out


# ---- errors
async def test_keys_are_needed_and_told_of(anyio_backend: object) -> None:
    async with running(extra=KEYS) as run:
        none = await in_pipe(run, "status", SLUICE_KEY="")
        wrong = await in_pipe(run, "status", SLUICE_KEY="wrong-key-0123456789")
        team = await in_pipe(run, "report", "--key", "team-key-0123456789")
        right = await in_terminal(run, "status", SLUICE_KEY="ops-key-0123456789")
    assert (none.code, wrong.code, team.code, right.code) == (1, 1, 1, 0)
    assert "SLUICE_KEY" in none.err and "does not know this key" in wrong.err and "admin" in team.err
    for ended in (none, wrong, team, right):
        assert "-key-0123456789" not in ended.out + ended.err


def test_a_gateway_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    ended = piped("status", "--url", f"http://127.0.0.1:{port}")
    assert ended.code == 1
    assert "Nothing listens" in ended.err and "sluice serve" in ended.err and "Traceback" not in ended.err


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://host", "http://user@host", "http://a b", "http://h:0"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    ended = piped("status", "--url", url)
    assert ended.code == 2
    assert "--url" in ended.err and "Traceback" not in ended.err


async def test_what_is_not_sluice_is_told(acting: Running) -> None:
    for path in ("status", "report"):
        ended = await asyncio.to_thread(piped, path, "--url", acting.sim.url)
        assert ended.code == 1
        assert "is the simulator, not the gateway" in ended.err and "--url" in ended.err


@pytest.mark.parametrize("end", ["/v1", "/v1/", "/"])
async def test_the_address_that_clients_are_given_will_do(acting: Running, end: str) -> None:
    assert (await in_pipe(acting, "status", SLUICE_URL=acting.url + end)).code == 0


async def test_a_redirect_is_not_followed(acting: Running) -> None:
    """It could take the key to another host."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(f"HTTP/1.1 302 Found\r\nlocation: {acting.url}/admin/status\r\ncontent-length: 0\r\n\r\n".encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ended = await asyncio.to_thread(piped, "status", "--url", f"http://127.0.0.1:{port}", SLUICE_KEY="some-key")
    server.close()
    assert ended.code == 1 and "302" in ended.err
    assert len(asked) == 1 and b"Bearer some-key" in asked[0]


# ---- pictures
CONFIGURATION = {"version": "", "loaded_at": "then", "loaded_by": "start", "age_s": 0.0, "loads": 0, "refusals": 0}
CONFIGURATION |= {"refused": None, "needs_restart": [], "auth_taken_out": False}


def totals(cost: float = 0.0, unpriced: int = 0) -> dict[str, Any]:
    counts = {"since": "then", "requests": 0, "outcomes": {}, "prompt_tokens": 0, "completion_tokens": 0}
    return {**counts, "cost_usd": cost, "unpriced": unpriced}


@pytest.mark.parametrize(
    ("cost", "unpriced", "shown"),
    [
        (0.0, 0, "completion tokens, 0.0000 USD"),
        (0.25, 0, "completion tokens, 0.2500 USD"),
        (0.0, 4, "completion tokens, cost unknown for 4 requests"),
        (0.25, 1, "completion tokens, 0.2500 USD, cost unknown for 1 request"),
    ],
)
def test_an_unknown_cost_is_not_shown_as_zero(cost: float, unpriced: int, shown: str) -> None:
    body = {"draining": False, "config": {**CONFIGURATION, "watch_trouble": None}, "totals": totals(cost, unpriced)}
    lines = pictures.status({**body, "targets": [], "streams": {"in_flight": 0, "waiting": 0, "most": 3, "list": []}})
    assert [line.strip().endswith(shown) for line in lines if "completion tokens" in line] == [True]


@pytest.mark.parametrize(
    ("cause", "age", "shown"),
    [
        ("watch", 1.2, "in use: abc, taken by itself 1 s ago"),
        ("watch", 60.0, "in use already: abc, since then"),
        ("start", 1.2, "in use already: abc, since then"),
    ],
)
def test_a_reload_right_after_a_save_says_that_the_file_was_taken(cause: str, age: float, shown: str) -> None:
    config = {**CONFIGURATION, "version": "abc", "loaded_by": cause, "age_s": age, "auth_taken_out": True}
    first, warning = pictures.reload({"result": "unchanged", "config": config})
    assert shown in first
    assert "auth was taken out: anyone on this machine" in warning


def test_targets_that_rest_and_waiting_streams_are_pictured() -> None:
    stream = {"id": "chatcmpl-1", "key": None, "model": "密碼", "target": None, "attempts": 0, "age_s": 1.4}
    stream |= {"tokens": 0, "tokens_per_s": None, "held": 3, "state": "waiting"}
    target = {"name": "openai/m", "state": "cooling", "opens_in_s": 12.4, "failures": 5, "running": 1}
    target |= {"paused_keys": []}
    target |= {"max_streams": 4, "first_token_s": 0.25}
    body = {
        "draining": True,
        "config": {**CONFIGURATION, "watch_trouble": "gone", "auth_taken_out": True},
        "totals": totals(),
        "targets": [target, {**target, "state": "up", "paused_keys": ["one", "two"]}],
        "streams": {"in_flight": 3, "waiting": 2, "most": 3, "list": [stream]},
    }
    text = "\n".join(pictures.status(body))
    for part in (
        "draining",
        "noticed late: gone",
        "auth was taken out: anyone on this machine may now use and administer the gateway",
        "cooling 12 s",
        "up but for 2 keys",
        "1 of 4",
        "250 ms",
        "2 waiting",
        "… and 2 more",
    ):
        assert part in text


def test_one_is_not_told_as_several() -> None:
    told = pictures.report({"requests": 1, "since": "then", "rules": []})
    assert told[0] == "1 request since then"


async def test_names_are_whole_in_a_pipe_and_cut_in_a_terminal(acting: Running) -> None:
    long = "openai-" + "m" * 60
    async with plain(acting.url) as http:
        await http.post(CHAT, json=ask(long))
    name = long.replace("-", "/", 1)
    piece = name[:30]
    in_a_pipe, on_screen = await in_pipe(acting, "status"), await in_terminal(acting, "status")
    assert f"{name} " in in_a_pipe.out
    assert name not in on_screen.out and piece in on_screen.out and "…" in on_screen.out


def test_the_commands_of_the_documentation_are_there() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    named = re.findall(r"^ *sluice (\w+)(.*?)(?: +#.*)?$", "".join(re.findall(r"```sh\n(.*?)```", text, re.S)), re.M)
    assert {name for name, _ in named} == {"reload", "status", "cancel", "report"}
    for name, rest in named:
        options = {option for parameter in main.commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--\w+", rest)) <= options


def test_commands_start_quickly() -> None:
    """They are run again and again by hand: the gateway itself is not imported for them."""
    began = time.perf_counter()
    assert piped("status", "--help").code == 0
    assert time.perf_counter() - began < 2


def test_examples_are_in_each_help() -> None:
    for name in ("status", "report", "cancel", "reload"):
        assert f"sluice {name}" in piped(name, "--help").out
