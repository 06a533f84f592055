"""A provider's name stands only in its entry and in its format's package.

The rest of the product asks the registry (`proxy.formats.registry`, `proxy.providers.registry`). A provider's wire
format can therefore be added, changed or removed without a search through the whole tree.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.formats.registry import FORMATS
from proxy.providers.registry import PROVIDERS

ROOT = Path(__file__).parent.parent
NAMES = ("anthropic", "gemini")

ENTRIES = (
    "proxy/formats/anthropic/",
    "proxy/formats/gemini/",
    "proxy/providers/anthropic.py",
    "proxy/providers/gemini.py",
)

EXCEPTIONS = {
    "proxy/simulator/": "it stands in for the providers, and imports nothing of the gateway",
    "proxy/providers/litellm.py": "LiteLLM's own names of providers, classes and modules",
    "proxy/cli/simulate.py": "the addresses that the command shows",
    "proxy/config/descriptions.py": "prose for operators",
    "proxy/formats/openai_chat/reserved.py": "LiteLLM's names of parameters that a client may not set",
    "policies/redact/entities/secrets.py": "the name of an entity: keys of this form",
}


def literals(path: Path) -> Iterator[str]:
    """Yield a module's strings, except docstrings."""
    tree = ast.parse(path.read_text())
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in told and isinstance(node.value, str | bytes):
            yield node.value if isinstance(node.value, str) else node.value.decode("latin-1")


@pytest.mark.parametrize("path", [path for top in ("policies", "proxy") for path in sorted((ROOT / top).rglob("*.py"))])
def test_a_provider_is_named_in_its_entry_alone(path: Path) -> None:
    where = path.relative_to(ROOT).as_posix()
    if where.startswith((*ENTRIES, *EXCEPTIONS)):
        return
    named = [text for text in literals(path) if any(name in text for name in NAMES)]
    assert not named, f"{where} names a provider: ask proxy.formats.registry or proxy.providers.registry instead"


@pytest.mark.parametrize("where", [*ENTRIES, *EXCEPTIONS])
def test_who_may_name_a_provider_does_so(where: str) -> None:
    paths = [ROOT / where] if where.endswith(".py") else [*(ROOT / where).rglob("*.py")]
    assert any(name in text for path in paths for text in literals(path) for name in NAMES)


def test_each_format_of_ours_can_be_spoken() -> None:
    assert [name for name, facts in FORMATS.items() if facts.event_member] == [*PROVIDERS]
    assert all(PROVIDERS[name].facts is FORMATS[name] for name in PROVIDERS)
