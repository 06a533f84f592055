"""README.md: its client example runs against the default gateway, and each promise names a test that exists."""

import re
import sys
from asyncio import create_subprocess_exec, timeout
from asyncio.subprocess import PIPE

import pytest

from tests.end_to_end.clients import plain
from tests.end_to_end.process import PATIENCE, ROOT, started

pytestmark = pytest.mark.anyio

TEXT = (ROOT / "README.md").read_text()
PROMISES = re.findall(
    r"^\d+\. \*\*.*?(?=^\d+\. |\Z)", TEXT.split("## Promises")[1].split("\n## ")[0], re.MULTILINE | re.DOTALL
)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda text: text.split(".")[0])
def test_a_promise_names_tests_that_exist(promise: str) -> None:
    tests = re.findall(r"\]\((tests/[^)]+)\)", promise)
    assert tests and all((ROOT / path).exists() for path in tests)


def test_there_are_promises() -> None:
    assert len(PROMISES) > 10


async def test_the_client_example_prints_a_redacted_answer() -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    async with started(ROOT / "config.yaml") as serving, plain(serving.url) as http:
        await serving.ready(http)
        code = example.replace("http://127.0.0.1:8080", serving.url)
        process = await create_subprocess_exec(sys.executable, "-c", code, stdout=PIPE, stderr=PIPE)
        async with timeout(PATIENCE):
            printed, told = await process.communicate()
    assert process.returncode == 0, told.decode()
    assert "[EMAIL]" in printed.decode() and "@" not in printed.decode().split("```")[0]
