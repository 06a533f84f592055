"""The redaction engine beside its alternatives, on the same patterns and chunks: `scripts/bench redact peers`.

Partial matching of `regex` and of PCRE2 is not exact (an earlier, shorter match may be given up for a longer one that
never comes), or not linear. LiteLLM's content filter rescans the held text with each pattern, and holds 50 characters.
The patterns are the entities' and 100 of an operator, without the entities' validators, which the alternatives lack.
"""

import json
import pathlib
import subprocess
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.environments import LITELLM, Missing, environment
from benchmarks.redact import chunks, custom, english, feed_all, policies, timed
from policies.redact import Redactor
from policies.redact.entities import ENTITIES

_ROUNDS: Final = 3
Search = Callable[[str], tuple[int, int] | None]
"""Searches a buffer. Returns start and end of a match. A match that ends at the buffer's end is still under way."""


def peers() -> None:
    """Print the CPU µs of each for a chunk of four characters."""
    patterns = [entity.pattern for entity in ENTITIES.values()] + [str(rule["regex"]) for rule in custom(100)]
    joined = "|".join(f"(?:{p})" for p in patterns).replace(r"\Z", r"\z")
    pieces = chunks(english()[:20_000])
    ways: dict[str, Callable[[], float]] = {
        "this engine, warm": lambda: _engine(pieces),
        "PCRE2 10, JIT, partial": lambda: _partial(_pcre2_search(joined), pieces),
        "regex, partial": lambda: _partial(_regex_search(joined), pieces),
        f"content filter of {LITELLM}": lambda: _litellm(patterns, pieces),
    }
    print(f"{len(patterns)} patterns, {len(pieces)} chunks of English; CPU us a chunk, least of {_ROUNDS}")
    ours = 0.0
    for name, measure in ways.items():
        try:
            spent = measure()
        except (ImportError, OSError, Missing, subprocess.SubprocessError) as missing:
            print(f"{name:44} not here: {missing}")
            continue
        ours = ours or spent
        print(f"{name:44}{spent:10.1f}{spent / ours:8.1f} times", flush=True)


def _least(run: Callable[[], object], count: int) -> float:
    """Measure microseconds for each of `count` chunks."""
    return min(timed(run) for _ in range(_ROUNDS)) / count * 1e6


def _engine(pieces: Sequence[str]) -> float:
    run = feed_all(Redactor([*policies()["all entities"], *custom(100)]), pieces)
    run()
    return _least(run, len(pieces))


def _litellm(patterns: Sequence[str], pieces: Sequence[str]) -> float:
    """Measure the filter in a process of its own, with the interpreter of LiteLLM's environment."""
    script = pathlib.Path(__file__).with_name("litellm_filter.py")
    given = json.dumps({"patterns": patterns, "pieces": pieces})
    python = str(environment(LITELLM) / "python")
    done = subprocess.run([python, str(script)], input=given, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise OSError(f"the filter failed: {done.stderr[-500:]}")
    return float(done.stdout.split()[-1])


def _partial(search: Search, pieces: Sequence[str]) -> float:
    return _least(lambda: _searched(search, pieces), len(pieces))


def _searched(search: Search, pieces: Sequence[str]) -> None:
    buffer = ""
    for piece in pieces:
        buffer += piece
        found = search(buffer)
        start, end = found or (0, len(buffer) + 1)
        buffer = buffer[start if end == len(buffer) else end :]


def _regex_search(joined: str) -> Search:
    import regex  # type: ignore[import-untyped]  # comes with LiteLLM

    compiled = regex.compile(joined)

    def search(buffer: str) -> tuple[int, int] | None:
        found = compiled.search(buffer, partial=True)
        return None if found is None else found.span()

    return search


def _pcre2_search(joined: str) -> Search:
    import ctypes
    import ctypes.util

    lib = ctypes.CDLL(ctypes.util.find_library("pcre2-8") or "libpcre2-8.so.0")
    for function in ("pcre2_compile_8", "pcre2_match_data_create_from_pattern_8", "pcre2_get_ovector_pointer_8"):
        getattr(lib, function).restype = ctypes.c_void_p
    pattern, code, at = joined.encode(), ctypes.c_int(), ctypes.c_size_t()
    compiled = ctypes.c_void_p(
        lib.pcre2_compile_8(pattern, ctypes.c_size_t(len(pattern)), 0x80000, ctypes.byref(code), ctypes.byref(at), None)
    )
    if not compiled:
        raise OSError(f"PCRE2 refuses the pattern at {at.value}")
    lib.pcre2_jit_compile_8(compiled, 0x4)  # partial, hard
    data = ctypes.c_void_p(lib.pcre2_match_data_create_from_pattern_8(compiled, None))
    ends = ctypes.cast(lib.pcre2_get_ovector_pointer_8(data), ctypes.POINTER(ctypes.c_size_t))

    def search(buffer: str) -> tuple[int, int] | None:
        raw = buffer.encode()
        got = lib.pcre2_match_8(compiled, raw, ctypes.c_size_t(len(raw)), ctypes.c_size_t(0), 0x20, data, None)
        return (ends[0], ends[1]) if got > 0 or got == -2 else None

    return search
