"""`sluice health`, as a container's health check runs it."""

import asyncio
from pathlib import Path

import pytest

from tests.end_to_end.running import running
from tests.proxy.cli.shell import ROOT, piped

pytestmark = pytest.mark.anyio


async def asked(path: Path, *options: str, **environ: str) -> tuple[int, str]:
    ended = await asyncio.to_thread(piped, "health", "--config", str(path), *options, **environ)
    assert ended.out == ""
    return ended.code, ended.err


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
async def test_a_gateway_that_answers_is_healthy_whatever_else_its_file_says(tmp_path: Path, host: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"server: {{host: {host}, port: '${{PORT}}'}}\npolicies: {{redact/x: {{rules: [{{regex: '('}}]}}}}\n"
    )
    async with running() as run:
        assert await asked(config, PORT=str(run.port)) == (0, "")
        assert await asked(config, "--port", str(run.port), PORT="9") == (0, "")


async def test_where_nothing_listens_it_fails_and_says_where_it_asked(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("server: {port: 9}\n")
    code, said = await asked(config)
    assert code == 1 and "Nothing listens at http://127.0.0.1:9" in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("server: {port: x}\n", ":1:16 server.port: must be a whole number"),
        ("server: {host: [", "cannot"),
        ("a: b: c", ":1:5"),
        ("[]", "must be a mapping"),
    ],
)
async def test_a_file_that_cannot_be_used_is_told(tmp_path: Path, text: str, says: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text)
    code, said = await asked(config)
    assert code == 2 and says in said and "Traceback" not in said


def test_the_image_is_pinned_by_digest_and_its_check_asks_the_port_of_its_configuration() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert bases == ["${BASE}", "${BASE}"]
    (base,) = [line for line in lines if line.startswith("ARG BASE=")]
    assert len(base.partition("@sha256:")[2]) == 64
    assert any('"proxy", "health", "--config", "config.yaml"' in line for line in lines)
