"""The configuration changes while the gateway runs: new requests use it, and those in flight do not.

An invalid file changes nothing.
"""

import asyncio
import logging
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from proxy.config.load import version_of
from proxy.reload import reloader
from proxy.simulator import Answer
from tests.end_to_end.clients import CHAT, ask, chunks_of, plain, text_of
from tests.end_to_end.process import started
from tests.end_to_end.reloading import BROKEN, CONFIG, labelled, reloading, said
from tests.end_to_end.running import running
from tests.end_to_end.wire import client, until

pytestmark = pytest.mark.anyio


# ---- how files change
async def test_a_file_saved_by_a_rename_is_noticed(tmp_path: Path) -> None:
    async with reloading(tmp_path / "config.yaml") as run, plain(run.url) as http:
        run.sim.answers["m"] = Answer("one word")
        before = run.gateway.version.id
        assert await said(http) == ("one [first]", before)
        version = run.save(labelled(run.sim.url, "second"))
        await run.uses(version)
        assert version != before
        assert await said(http) == ("one [second]", version)


async def test_a_file_written_in_place_is_noticed(tmp_path: Path) -> None:
    async with reloading(tmp_path / "config.yaml") as run:
        run.file.write_text(labelled(run.sim.url, "second"))
        await run.uses(version_of(run.file))


async def test_a_swap_of_the_symlink_that_kubernetes_mounts_is_noticed(tmp_path: Path) -> None:
    """config.yaml -> ..data/config.yaml, ..data -> a folder. Renaming ..data replaces all of it."""
    mount = tmp_path / "mount"
    (mount / "..1").mkdir(parents=True)
    (mount / "..data").symlink_to("..1")
    (mount / "config.yaml").symlink_to("..data/config.yaml")
    async with reloading(mount / "config.yaml") as run:
        for n in (2, 3):
            folder = mount / f"..{n}"
            folder.mkdir()
            (folder / "config.yaml").write_text(labelled(run.sim.url, str(n)))
            (mount / "..tmp").symlink_to(folder.name)
            os.replace(mount / "..tmp", mount / "..data")
            shutil.rmtree(mount / f"..{n - 1}")
            await run.uses(version_of(run.file))
        assert (run.state.loads, run.state.refusals) == (2, 0)


WORDS_FILE = """
default_policies: [redact/words]
policies: {{redact/words: {{rules: [{{name: listed, words_file: lists/words.txt, replace: "[LISTED]"}}]}}}}
"""


async def test_a_change_of_a_words_file_is_noticed(tmp_path: Path) -> None:
    words = tmp_path / "lists" / "words.txt"
    words.parent.mkdir()
    words.write_text("one\n")
    async with reloading(tmp_path / "config.yaml", CONFIG + WORDS_FILE) as run, plain(run.url) as http:
        run.sim.answers["m"] = Answer("one word")
        assert (await said(http))[0] == "[LISTED] word"
        await run.uses(run.save("word\n", words))
        assert (await said(http))[0] == "one [LISTED]"


async def test_a_words_file_that_was_missing_is_taken_when_it_comes(tmp_path: Path) -> None:
    async with reloading(tmp_path / "config.yaml") as run:
        (tmp_path / "lists").mkdir()
        run.save((CONFIG + WORDS_FILE).format(url=run.sim.url))
        assert "words.txt" in await run.refuses()
        await run.uses(run.save("one\n", tmp_path / "lists" / "words.txt"))
        assert run.state.refused is None


async def test_a_folder_that_vanishes_is_told_and_watched_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, away = tmp_path / "etc", tmp_path / "away"
    folder.mkdir()
    async with reloading(folder / "config.yaml") as run, plain(run.url) as http:
        run.sim.answers["m"] = Answer("one word")
        await until(lambda: run.state.trouble is None)
        folder.rename(away)
        await until(lambda: run.state.trouble is not None, seconds=4)
        assert "cannot be read" in await run.refuses()
        assert (await said(http))[0] == "one [first]"
        folder.mkdir()
        await run.uses(run.save(labelled(run.sim.url, "second")))
        await until(lambda: run.state.trouble is None, seconds=4)
        await run.uses(run.save(labelled(run.sim.url, "third")))


async def test_what_fails_beyond_the_file_is_a_refusal_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with reloading(tmp_path / "config.yaml", watch=False) as run:
        assert run.reloader is not None
        version = run.gateway.version

        def fails(*_: object) -> None:
            raise RuntimeError("a " + "secret")

        monkeypatch.setattr(reloader, "make_version", fails)
        run.save(labelled(run.sim.url, "second"))
        assert await run.reloader.reload("SIGHUP") == "refused"
        assert "could not be made ready" in await run.refuses()
        assert run.gateway.version is version
        assert "RuntimeError" in caplog.text and "a secret" not in caplog.text


async def test_the_same_content_is_no_reload(tmp_path: Path) -> None:
    async with reloading(tmp_path / "config.yaml", watch=False) as run:
        assert run.reloader is not None
        version = run.gateway.version
        run.save(run.file.read_text())
        assert await run.reloader.reload("SIGHUP") == "unchanged"
        assert run.gateway.version is version
        assert run.state.loads == 0


# ---- invalid files
async def test_a_refusal_is_seen_everywhere_and_goes_with_the_next_right_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sluice")
    async with reloading(tmp_path / "config.yaml") as run, plain(run.url) as http:
        good = run.file.read_text()
        version = run.gateway.version.id
        run.save(good + BROKEN.replace("models:", "modells:"))
        problem = await run.refuses()
        assert problem.startswith(f"{run.file}:{len(good.splitlines()) + 1}:1 modells: ")
        for where in (
            (await http.get("/readyz")).json()["config_refused"],
            (await http.get("/admin/status")).json()["config"]["refused"],
        ):
            assert where["problems"] == problem.splitlines()
        assert problem in caplog.text and version in caplog.text
        metrics = (await http.get("/metrics")).text
        assert "\nsluice_config_refused 1.0" in metrics and "\nsluice_config_refusals_total 1.0" in metrics
        assert (run.state.refusals, run.gateway.version.id) == (1, version)
        run.save(good)
        await until(lambda: run.state.refused is None)
        assert (await http.get("/readyz")).json() == {"status": "ready"}


KEYS = """
auth:
  keys:
    - {{name: team, key: team-key-{team}}}
    - {{name: ops, key: ops-key-0123456789, admin: true}}
"""


def key(value: str) -> dict[str, str]:
    return {"authorization": f"Bearer {value}"}


async def test_with_keys_only_an_admin_sees_what_is_wrong(tmp_path: Path) -> None:
    async with reloading(tmp_path / "config.yaml", CONFIG + KEYS.replace("{team}", "0123456789")) as run:
        run.save("nonsense: true\n")
        await run.refuses()
        async with plain(run.url) as http:
            assert set((await http.get("/readyz")).json()["config_refused"]) == {"at"}
            shown = (await http.get("/readyz", headers=key("ops-key-0123456789"))).json()
        assert shown["config_refused"]["problems"]


# ---- keys
async def test_a_client_key_that_was_taken_out_stops_working_and_its_stream_goes_on(tmp_path: Path) -> None:
    text = CONFIG + KEYS.replace("{team}", "{label}-0123456789")
    async with reloading(tmp_path / "config.yaml", text) as run, plain(run.url) as http:
        run.sim.answers["slow"] = Answer("one two three four ", chunk=4, pace=0.1)
        old, new = key("team-key-first-0123456789"), key("team-key-second-0123456789")
        body = ask("openai-slow", stream=True)
        async with http.stream("POST", CHAT, json=body, headers=old) as response:
            parts = response.aiter_text()
            got = await anext(parts)
            await run.uses(run.save(text.format(url=run.sim.url, label="second")))
            assert (await http.get("/v1/models", headers=old)).status_code == 401
            assert (await http.get("/v1/models", headers=new)).status_code == 200
            got += "".join([part async for part in parts])
        assert text_of(chunks_of(got)) == "one two three four "


async def test_a_provider_key_is_rotated(tmp_path: Path) -> None:
    async with reloading(tmp_path / "config.yaml") as run, plain(run.url) as http:
        assert (await said(http))[0]
        before = run.gateway.version.id
        await run.uses(run.save(run.file.read_text().replace("provider-key-openai", "rotated-key")))
        assert (await said(http))[1] != before
        assert [call.headers["authorization"] for call in run.sim.calls] == [
            "Bearer provider-key-openai",
            "Bearer rotated-key",
        ]


# ---- settings that cannot change
async def test_what_needs_a_restart_is_announced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with reloading(tmp_path / "config.yaml") as run:
        text = run.file.read_text()
        await run.uses(run.save(text.replace("port: 0,", "port: 9, host: localhost,") + "\nsimulator: {port: 8089}\n"))
        assert run.state.pending == ("server.host", "server.port", "simulator")
        assert caplog.text.count("it takes effect after a restart") == 3
        await run.uses(run.save(text))
        assert run.state.pending == ()


async def test_keys_cannot_be_taken_out_of_a_gateway_that_others_can_reach(tmp_path: Path) -> None:
    """The file alone is valid: without keys it names loopback. But this process listens elsewhere."""
    text = CONFIG.replace("port: 0,", "port: 0, host: 0.0.0.0,") + KEYS.replace("{team}", "0123456789")
    async with reloading(tmp_path / "config.yaml", text) as run:
        run.save(CONFIG.format(url=run.sim.url))
        assert "auth: cannot be taken out" in await run.refuses()
        assert run.gateway.config.auth is not None


async def test_keys_that_are_taken_out_on_loopback_are_told_until_they_are_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = CONFIG + KEYS.replace("{team}", "0123456789")
    async with reloading(tmp_path / "config.yaml", text) as run, plain(run.url) as http:
        keyed, keyless = run.file.read_text(), CONFIG.format(url=run.sim.url)
        for saved in (keyless, keyless + "\n# edited again\n"):
            await run.uses(run.save(saved))
            assert (await http.get("/admin/status")).json()["config"]["auth_taken_out"] is True
        assert caplog.text.count("auth was taken out: anyone on this machine may now use") == 1
        await run.uses(run.save(keyed))
        found = (await http.get("/admin/status", headers=key("ops-key-0123456789"))).json()
        assert found["config"]["auth_taken_out"] is False


async def test_a_content_that_is_refused_again_is_counted_once(tmp_path: Path) -> None:
    async with reloading(tmp_path / "config.yaml", watch=False) as run:
        assert run.reloader is not None
        good = run.file.read_text()
        for saved, count in ((BROKEN, 1), (BROKEN, 1), (BROKEN + "\n", 2), ("", 2), (BROKEN, 3)):
            run.file.write_text(good + saved)
            await run.reloader.reload("watch")
            assert run.state.refusals == count


async def test_only_who_asks_is_told_that_a_file_is_in_use_already(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sluice")
    async with reloading(tmp_path / "config.yaml", watch=False) as run:
        assert run.reloader is not None
        await run.reloader.reload("watch")
        assert "in use already" not in caplog.text
        run.reloader.hang_up()
        await until(lambda: f"SIGHUP: in use already: {run.gateway.version.id}" in caplog.text)


async def test_origins_and_limits_follow_the_file(tmp_path: Path) -> None:
    async with reloading(tmp_path / "config.yaml") as run, plain(run.url) as http:
        page = {"origin": "https://app.example.com"}
        assert (await http.get("/v1/models", headers=page)).status_code == 403
        text = run.file.read_text().replace(
            "port: 0,", 'port: 0, max_streams: 7, max_inflight_mb: 200, cors_origins: ["https://app.example.com"],'
        )
        text += "timeouts: {write: 7, body: 8}\n"
        await run.uses(run.save(text.replace("drain_seconds: 0", "drain_seconds: 9")))
        answer = await http.get("/v1/models", headers=page)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, page["origin"])
        assert run.gateway.streams.slots.most == 7
        assert run.server._gateway.config.server.drain_seconds == 9
        assert run.gateway.bodies._most == 200 * 2**20 and run.gateway.connections.most <= 4 * 7 + 1000
        async with client(run.port) as ours:
            made = run.server.server_state.connections
            await until(lambda: (7, 8) in {(each._limits.write, each._limits.body) for each in made})
            ours.close()


# ---- POST /admin/reload
@pytest.mark.parametrize(
    ("change", "status", "result"),
    [
        (lambda text: text, 200, "unchanged"),
        (lambda text: text.replace("[first]", "[second]"), 200, "loaded"),
        (lambda text: text + BROKEN, 422, "refused"),
    ],
)
async def test_an_operator_can_ask_for_a_reload(
    tmp_path: Path, change: Callable[[str], str], status: int, result: str
) -> None:
    async with reloading(tmp_path / "config.yaml", watch=False) as run, plain(run.url) as http:
        run.file.write_text(change(run.file.read_text()))
        response = await http.post("/admin/reload")
        body = response.json()
        assert (response.status_code, body["result"]) == (status, result)
        assert body["config"]["version"] == run.gateway.version.id
        assert ("problems" in body) == (result == "refused")


async def test_without_a_file_there_is_nothing_to_reload() -> None:
    async with running() as run, plain(run.url) as http:
        response = await http.post("/admin/reload")
        assert (response.status_code, response.json()["error"]["code"]) == (409, "not_reloadable")


async def test_a_web_page_cannot_reload(tmp_path: Path) -> None:
    async with reloading(tmp_path / "config.yaml") as run, plain(run.url) as http:
        assert (await http.post("/admin/reload", headers={"origin": "https://evil.example"})).status_code == 403
        assert (await http.post("/admin/reload", headers={"host": "evil.example"})).status_code == 403


# ---- the process
PROCESS = """
server: {port: "${SLUICE_PORT}", drain_seconds: 0}
simulator: {port: "${SLUICE_SIMULATOR_PORT}"}
providers: {openai: {api_key: simulated, base_url: "http://127.0.0.1:${SLUICE_SIMULATOR_PORT}/v1"}}
models: {"sim-*": {target: "openai/sim-*"}}
default_policies: [redact/words]
policies: {redact/words: {rules: [{name: word, words: [word], replace: "[LABEL]"}]}}
"""


async def test_the_process_reloads_by_itself_and_on_sighup(tmp_path: Path) -> None:
    """With `python -m proxy serve`, command-line options stay, an invalid file is reported with its place, and SIGHUP
    reloads.
    """
    config = tmp_path / "config.yaml"
    config.write_text(PROCESS)
    async with started(config, "--host", "localhost") as serving, plain(serving.url) as http:
        await serving.ready(http)
        assert (await said(http, "sim-echo", text="one word"))[0] == "one [LABEL]"
        config.write_text(PROCESS.replace("LABEL", "NEW"))
        async with asyncio.timeout(5):
            while (await said(http, "sim-echo", text="one word"))[0] != "one [NEW]":
                pass
        config.write_text(PROCESS + "nonsense: true\n")
        await refusal(http)
        config.write_text(PROCESS + "nonsense: [true]\n")
        serving.process.send_signal(signal.SIGHUP)
        await refusal(http, 2)
        assert (await said(http, "sim-echo", text="one word"))[0] == "one [NEW]"
        status = (await http.get("/admin/status")).json()["config"]
        assert (status["loads"], status["needs_restart"]) == (1, [])
        serving.process.send_signal(signal.SIGINT)
        code, told = await serving.ended()
    assert code == 0
    assert f"SIGHUP: the configuration is refused, {status['version']} stays in use" in told
    assert f"{config}:8:1 nonsense: " in told and "Traceback" not in told


async def refusal(http: httpx.AsyncClient, count: int = 1) -> None:
    async with asyncio.timeout(5):
        while (await http.get("/admin/status")).json()["config"]["refusals"] < count:
            await asyncio.sleep(0.02)
