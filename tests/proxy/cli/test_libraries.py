"""The table of private parts says all that the code relies on, and a library that lacks one is named."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from proxy.cli.libraries import PRIVATE, missing

ROOT = Path(__file__).parents[3]


def named(owner: str) -> set[str]:
    return {name for parts in PRIVATE if parts.owner == owner for name in parts.names.split()}


def inherited(file: str, name: str) -> set[str]:
    """The names that a class uses of itself or of `super()`, and does not define."""
    (found,) = [
        node
        for node in ast.parse((ROOT / file).read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == name
    ]
    attributes = [node for node in ast.walk(found) if isinstance(node, ast.Attribute)]
    of_self = [node for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "self"]
    of_super = [
        node
        for node in attributes
        if isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "super"
    ]
    own = {node.attr for node in of_self if isinstance(node.ctx, ast.Store)}
    for member in found.body:
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            own.add(member.name)
        for target in [*getattr(member, "targets", []), getattr(member, "target", None)]:
            own |= {target.id} if isinstance(target, ast.Name) else set()
    return {node.attr for node in of_self} - own | {node.attr for node in of_super} - {"__init__"}


def test_all_private_parts_are_there() -> None:
    assert missing() == []


@pytest.mark.parametrize(
    ("file", "name", "owner"),
    [
        ("proxy/server/protocol.py", "Protocol", "HttpToolsProtocol"),
        ("proxy/server/lifecycle.py", "Server", "Server"),
        ("proxy/providers/http/connection.py", "Connection", "ResponseHandler"),
    ],
)
def test_the_table_has_what_our_subclasses_use(file: str, name: str, owner: str) -> None:
    assert inherited(file, name) == named(owner)


def test_the_table_has_what_is_used_of_a_response() -> None:
    used: set[str] = set()
    for path in (ROOT / "proxy" / "server").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and (
                getattr(node.value, "id", "") == "cycle" or getattr(node.value, "attr", "") == "cycle"
            ):
                used.add(node.attr)
    assert used == named("RequestResponseCycle")


def test_a_library_that_lacks_a_part_is_named_with_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(HttpToolsProtocol, "on_response_complete")
    (told,) = missing()
    assert told.startswith("uvicorn 0.") and "has no on_response_complete" in told and "requirements/run.txt" in told


def test_the_gateway_does_not_start_without_them(tmp_path: Path) -> None:
    code = (
        "import aiohttp.client_proto as m, sys; del m.ResponseHandler.start_timeout\n"
        "from proxy.cli.commands import main; main(['serve', '--config', 'config.yaml'])"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1 and "aiohttp 3." in ended.stderr and "start_timeout" in ended.stderr
