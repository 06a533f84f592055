"""The mechanical rules of the layout: imports, sizes, and a test for each file."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = ("policies", "proxy")
MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 50

LAYERS: tuple[tuple[str, ...], ...] = (
    ("policies.events",),
    ("policies",),
    ("proxy.errors", "proxy.tasks", "proxy.turns", "proxy.config.names", "proxy.telemetry.output"),
    ("proxy.telemetry.logs", "proxy.access.slots", "proxy.accounting.litellm_files"),
    ("proxy.formats", "proxy.access.bodies", "proxy.access.connections"),
    ("proxy.config", "proxy.accounting.pricing"),
    ("proxy.access", "proxy.accounting"),
    ("proxy.providers",),
    ("proxy.routing",),
    ("proxy.version",),
    ("proxy.streaming",),
    ("proxy.telemetry",),
    ("proxy.gateway",),
    ("proxy.reload",),
    ("proxy.api",),
    ("proxy.server", "proxy.app"),
    ("proxy.cli",),
    ("proxy.__main__",),
)
"""Layers of imports: a module may import from its own layer and earlier ones. The longest name that fits a module
counts.
"""

APART = {"proxy.simulator": ("policies.events",)}
"""Packages that only the command line imports, and everything that they may import."""

PURE = ("policies", "proxy.formats")
"""Packages without I/O or event loop."""

IMPURE = frozenset({"asyncio", "http", "logging", "socket", "ssl", "subprocess", "threading", "time"})

THIRD_PARTY: dict[str, tuple[str, ...]] = {
    "aiohttp": (
        "proxy.providers.http.connection",
        "proxy.providers.exchange",
        "proxy.providers.sending",
        "proxy.providers.http.writing",
    ),
    "click": ("proxy.cli",),
    "httptools": ("proxy.server", "proxy.simulator"),
    "httpx": ("proxy.providers.clients",),
    "opentelemetry": ("proxy.telemetry",),
    "prometheus_client": ("proxy.telemetry",),
    "orjson": ("proxy.formats", "proxy.accounting.pricing.table"),
    "pydantic": ("policies", "proxy.config", "proxy.simulator.answers"),
    "pydantic_core": ("proxy.config",),
    "starlette": ("proxy.app", "proxy.api"),
    "uvicorn": ("proxy.server",),
    "uvloop": ("proxy.cli",),
    "watchfiles": ("proxy.reload.watch",),
    "yaml": ("proxy.config",),
    "yarl": ("proxy.providers.exchange", "proxy.providers.outbound"),
}
"""Each library, and its importers. LiteLLM has no row: only `proxy.providers.litellm` imports it, by name."""

BY_NAME = (
    "proxy.cli.libraries",
    "proxy.accounting.litellm_files",
    "proxy.providers.litellm",
    "proxy.accounting.tokenizers",
)
"""Modules that may import by name. The other rules here do not see such imports."""

LITELLM = ("proxy.providers", "proxy.cli.serve")
"""Users of `proxy.providers.litellm`: the mappings, the engine, and the start-up that loads it."""

TESTED_TOGETHER = {
    "policies/json_guard": "tests/policies/json_guard",
    "policies/redact": "tests/policies/redact",
    "proxy/simulator": "tests/proxy/simulator",
}
"""Packages that are tested as a whole, with the folder of their tests."""

TESTED_BY = {
    "policies/base.py": "tests/policies/test_chain.py",
    "policies/events.py": "tests/policies/test_chain.py",
    "policies/numbers.py": "tests/policies/test_token_cap.py",
    "proxy/api/admin.py": "tests/end_to_end/test_admin.py",
    "proxy/api/endpoint.py": "tests/end_to_end/test_openai_sdk.py",
    "proxy/api/metrics.py": "tests/end_to_end/test_metrics.py",
    "proxy/cli/telemetry.py": "tests/proxy/telemetry/test_check.py",
    "proxy/config/strict.py": "tests/proxy/config/test_models.py",
    "proxy/telemetry/exporters.py": "tests/proxy/telemetry/test_environment.py",
    "proxy/telemetry/measures.py": "tests/end_to_end/test_metrics.py",
    "proxy/api/cors.py": "tests/end_to_end/test_origins.py",
    "proxy/api/health.py": "tests/end_to_end/test_surface.py",
    "proxy/api/plan.py": "tests/end_to_end/test_openai_sdk.py",
    "proxy/streaming/sinks.py": "tests/proxy/streaming/test_driver.py",
    "proxy/api/status.py": "tests/end_to_end/test_admin.py",
    "proxy/api/http_common.py": "tests/end_to_end/test_surface.py",
    "proxy/app.py": "tests/end_to_end/test_surface.py",
    "proxy/cli/health.py": "tests/end_to_end/test_health_command.py",
    "proxy/cli/report.py": "tests/proxy/cli/test_trial.py",
    "proxy/cli/rules.py": "tests/proxy/cli/test_explain.py",
    "proxy/cli/schema.py": "tests/proxy/cli/test_commands.py",
    "proxy/cli/client.py": "tests/end_to_end/test_operating.py",
    "proxy/cli/operating.py": "tests/end_to_end/test_operating.py",
    "proxy/cli/render.py": "tests/end_to_end/test_operating.py",
    "proxy/cli/serve.py": "tests/end_to_end/test_serve_command.py",
    "proxy/config/descriptions.py": "tests/proxy/config/test_schema.py",
    "proxy/errors.py": "tests/proxy/formats/openai_chat/test_envelope.py",
    "proxy/streaming/folding.py": "tests/proxy/streaming/test_driver.py",
    "proxy/streaming/execution.py": "tests/proxy/streaming/test_driver.py",
    "proxy/accounting/litellm_files.py": "tests/proxy/accounting/test_tokenizers.py",
    "proxy/config/plain.py": "tests/proxy/config/test_references.py",
    "proxy/streaming/pipeline.py": "tests/proxy/streaming/test_driver.py",
    "proxy/reload/reloader.py": "tests/end_to_end/test_reload.py",
    "proxy/reload/restart.py": "tests/end_to_end/test_reload.py",
    "proxy/reload/state.py": "tests/end_to_end/test_reload.py",
    "proxy/version.py": "tests/proxy/test_gateway.py",
    "proxy/streaming/observer.py": "tests/proxy/streaming/test_driver.py",
    "proxy/server/framing.py": "tests/proxy/server/test_raw_http.py",
    "proxy/server/head.py": "tests/proxy/server/test_raw_http.py",
    "proxy/server/unchunked.py": "tests/proxy/server/test_raw_http.py",
    "proxy/server/limits.py": "tests/end_to_end/test_slow_clients.py",
    "proxy/server/sockets.py": "tests/end_to_end/test_vanished_clients.py",
    "proxy/tasks.py": "tests/proxy/streaming/test_attempt.py",
    "proxy/providers/base.py": "tests/proxy/providers/test_native.py",
    "proxy/providers/sending.py": "tests/proxy/providers/test_native.py",
    "policies/texts.py": "tests/policies/redact/test_policy.py",
    "proxy/formats/operation.py": "tests/end_to_end/test_openai_sdk.py",
    "proxy/formats/openai_chat/operation.py": "tests/proxy/routing/test_capabilities.py",
    "proxy/providers/litellm_calls.py": "tests/proxy/providers/test_engine.py",
    "proxy/formats/gemini/embeddings.py": "tests/end_to_end/test_embeddings.py",
    "proxy/formats/openai_completions.py": "tests/end_to_end/test_completions.py",
    "proxy/formats/openai_embeddings.py": "tests/end_to_end/test_embeddings.py",
    "proxy/formats/facts.py": "tests/test_provider_names.py",
    "proxy/providers/registry.py": "tests/test_provider_names.py",
    "proxy/formats/base.py": "tests/proxy/formats/openai_chat/test_decode.py",
}
"""Files without a test of their own name (interfaces, and code tested over real sockets only), with their test."""


@cache
def modules() -> dict[str, Path]:
    """All modules of the sources by name."""
    found: dict[str, Path] = {}
    for top in SOURCES:
        for path in sorted((ROOT / top).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


@cache
def imports(module: str) -> frozenset[str]:
    """Return the imports anywhere in a module: our modules by their full names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{module} has a relative import: name the module in full"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & modules().keys() or {node.module}
    return frozenset(found)


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def layer(module: str) -> int:
    """The place of a module's layer."""
    fitting = [(len(name), at) for at, names in enumerate(LAYERS) for name in names if within(module, (name,))]
    assert fitting, f"{module} is in none of LAYERS: say where it stands"
    return max(fitting)[1]


def ours(module: str) -> Iterator[str]:
    """Our own modules that a module imports."""
    return (name for name in imports(module) if within(name, SOURCES))


@pytest.mark.parametrize("module", [name for name in modules() if not within(name, tuple(APART)) and name != "proxy"])
def test_a_module_imports_its_own_layer_and_those_below(module: str) -> None:
    apart = {name for name in ours(module) if within(name, tuple(APART))}
    assert not apart or within(module, ("proxy.cli",))
    above = [name for name in ours(module) if name not in apart and layer(name) > layer(module)]
    assert not above


@pytest.mark.parametrize("package", APART)
def test_what_stands_apart_knows_nothing_of_the_rest(package: str) -> None:
    for module in (name for name in modules() if within(name, (package,))):
        assert all(within(name, (package, *APART[package])) for name in ours(module)), module


@pytest.mark.parametrize("module", [name for name in modules() if within(name, PURE)])
def test_what_is_pure_does_no_input_or_output(module: str) -> None:
    assert not {name.partition(".")[0] for name in imports(module)} & IMPURE


def test_formats_know_of_policies_their_events_steps_and_texts_alone() -> None:
    for module in (name for name in modules() if within(name, ("proxy.formats",))):
        assert {name for name in ours(module) if within(name, ("policies",))} <= {
            "policies.events",
            "policies.steps",
            "policies.texts",
        }, module


@pytest.mark.parametrize("module", modules())
def test_a_library_is_imported_where_it_belongs(module: str) -> None:
    for name in imports(module):
        library = name.partition(".")[0]
        if library not in SOURCES and library not in sys.stdlib_module_names:
            assert within(module, THIRD_PARTY.get(library, ())), f"{library}: see THIRD_PARTY"
        by_name = library == "importlib" and not within(name, ("importlib.metadata",))
        assert not by_name or within(module, BY_NAME)


def test_litellm_is_reached_through_its_one_module() -> None:
    users = {module for module in modules() if "proxy.providers.litellm" in imports(module)}
    assert users and all(within(module, LITELLM) for module in users)


# ---- sizes
FOLDERS = (*SOURCES, "tests", "benchmarks", "scripts")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MAX_FILE_LINES, "split it"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION_LINES, f"{node.name}: split it"


# ---- tests
def of_substance(path: Path) -> bool:
    """Return true if a file defines anything."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(node, definitions) for node in ast.parse(path.read_text()).body)


@pytest.mark.parametrize("path", [str(path.relative_to(ROOT)) for path in modules().values() if of_substance(path)])
def test_a_source_file_has_its_test(path: str) -> None:
    source = Path(path)
    own = ROOT / "tests" / source.parent / f"test_{source.name}"
    if any(source.is_relative_to(package) for package in TESTED_TOGETHER):
        return
    elsewhere = TESTED_BY.get(path)
    assert own.exists() or elsewhere, f"write tests/{source.parent}/test_{source.name}, or name its test in TESTED_BY"
    assert not (own.exists() and elsewhere), "it has a test of its own now: take it out of TESTED_BY"


def test_the_tables_name_what_exists() -> None:
    named = [*TESTED_BY, *TESTED_BY.values(), *TESTED_TOGETHER, *TESTED_TOGETHER.values()]
    assert not [path for path in named if not (ROOT / path).exists()]
    known = [name for row in (*LAYERS, PURE, BY_NAME, LITELLM, tuple(APART)) for name in row]
    assert not [name for name in known if name not in modules()]


def test_the_rules_see_what_they_forbid() -> None:
    assert "proxy.formats.jsontext" in imports("proxy.server.protocol")
    assert "uvicorn" in imports("proxy.server.lifecycle")
    assert layer("proxy.formats.sse") < layer("proxy.providers.native") < layer("proxy.streaming.driver")
    assert layer("proxy.streaming.driver") < layer("proxy.api.endpoint")
