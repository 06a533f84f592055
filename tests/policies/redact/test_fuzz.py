"""The engine agrees with `re`, for random rules, texts and cuts. `REDACT_FUZZ_RUNS` sets the number of runs."""

import dataclasses
import json
import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pytest

from policies.redact import JsonStream, Redactor, RuleError, Stream
from policies.redact.emitter import Emitter
from policies.redact.rules import Rule, Shared
from tests.policies.redact import oracle, random_rules
from tests.policies.redact.oracle import OracleRule, Spec

RUNS = int(os.environ.get("REDACT_FUZZ_RUNS", "20000"))
SEED = int(os.environ.get("REDACT_FUZZ_SEED", "1"))
TEXTS = 6
Validator = Callable[[str], bool]


def remainder(by: int) -> Validator:
    """A check digit of sorts."""
    return lambda text: sum(map(ord, text)) % by != 0


class Checked(Redactor):
    """A redactor whose rules have validators, which custom rules cannot have."""

    def __init__(self, specs: Sequence[Spec], validators: Sequence[Validator | None], **options: int) -> None:
        self.validators = validators
        super().__init__(specs, **options)  # type: ignore[arg-type]

    def _read(self, specs: Iterable[Mapping[str, Any]], shared: Shared) -> tuple[Rule, ...]:
        read = super()._read(specs, shared)
        return tuple(dataclasses.replace(r, validator=v) for r, v in zip(read, self.validators, strict=True))


def random_redactor(
    rng: random.Random, *, exotic: bool, action: str = "redact"
) -> tuple[Redactor, list[OracleRule], bool]:
    """Make a redactor, the oracle's rules, and true if texts may contain invisible characters."""
    while True:
        specs = [random_rules.rule(rng, f"r{i}") for i in range(rng.randint(1, 4))]
        invisible = rng.random() < 0.7
        for spec in specs:
            spec["normalize"] = exotic and (invisible or rng.random() < 0.5)
        validators = [remainder(rng.randint(2, 4)) if "regex" in s and rng.random() < 0.4 else None for s in specs]
        try:
            redactor = Checked([{**s, "action": action} for s in specs], validators)
        except RuleError:
            continue
        rules = [oracle.oracle_rule(s, v) for s, v in zip(specs, validators, strict=True)]
        return redactor, rules, invisible


def random_text(rng: random.Random, *, exotic: bool, invisible: bool) -> str:
    text = random_rules.text(rng, rng.choice([6, 12, 24]), exotic=exotic)
    return text if invisible else text.replace("\u200b", "").replace("\u00ad", "")


def feed(rng: random.Random, stream: Stream | JsonStream, chunk: str) -> str:
    return "".join(stream.pieces(chunk)) if rng.random() < 0.1 else stream.feed(chunk)


@pytest.mark.parametrize("exotic", [False, True])
def test_any_cut_gives_what_re_gives_on_the_whole_text(exotic: bool) -> None:
    rng = random.Random(SEED + exotic)
    for _ in range(RUNS // 2 // TEXTS):
        redactor, rules, invisible = random_redactor(rng, exotic=exotic)
        for _ in range(TEXTS):
            text = random_text(rng, exotic=exotic, invisible=invisible)
            expected = oracle.redacted(rules, text)
            stream, out = redactor.stream(), ""
            for chunk in random_rules.cuts(rng, text):
                out += feed(rng, stream, chunk)
                assert expected.startswith(out), (redactor.rules, text)
            assert out + stream.close() == expected, (redactor.rules, text)
            assert [(m.start, m.end) for m in stream.matches] == [s[:2] for s in oracle.spans(rules, text)]


@pytest.mark.parametrize("exotic", [False, True])
def test_a_block_fires_at_the_first_complete_match_and_lets_nothing_of_it_out(exotic: bool) -> None:
    rng = random.Random(SEED + 2 + exotic)
    for _ in range(RUNS // 10 // TEXTS):
        redactor, rules, invisible = random_redactor(rng, exotic=exotic, action="block")
        for _ in range(TEXTS):
            text = random_text(rng, exotic=exotic, invisible=invisible)[:12]
            block = oracle.first_block(rules, text)
            stream = redactor.stream()
            out = "".join(feed(rng, stream, chunk) for chunk in random_rules.cuts(rng, text)) + stream.close()
            assert (stream.blocked is None) == (block is None), (redactor.rules, text)
            one = redactor.stream()
            assert out == one.feed(text) + one.close()
            if block is None:
                assert out == text
            else:
                start, end = block
                assert stream.matches[-1].end == end
                assert out == text[: len(out)] and len(out) <= start, (redactor.rules, text)


class Recorder(Emitter):
    """Records which characters were sent unchanged."""

    __slots__ = ("shown",)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.verbatim = False
        self.shown: set[int] = set()

    def raw(self, start: int, end: int) -> str:
        self.shown.update(range(start, end))
        return super().raw(start, end)


def bound(rng: random.Random, redactor: Redactor, mode: str) -> int:
    """Give each rule a tight limit of its own, some of them open in mode `mixed`. Return the widest."""
    redactor.rules = tuple(
        dataclasses.replace(
            r, max_hold=rng.randint(1, 8), opens=mode == "open" or (mode == "mixed" and rng.random() < 0.5)
        )
        for r in redactor.rules
    )
    bounds = [rule.max_hold for rule in redactor.rules]
    redactor._lanes.places.least = min(bounds)
    return max(bounds)


@pytest.mark.parametrize("mode", ["closed", "open", "mixed"])
def test_each_rule_s_bound_on_what_is_held_is_kept_whatever_the_cut(mode: str) -> None:
    rng = random.Random(SEED + 3)
    for _ in range(RUNS // 10 // TEXTS):
        redactor, rules, _ = random_redactor(rng, exotic=False)
        cap = bound(rng, redactor, mode)
        for _ in range(TEXTS):
            text = random_text(rng, exotic=False, invisible=False)
            one = redactor.stream()
            expected = one.feed(text) + one.close()
            emitter = Recorder(redactor.rules, lambda rule, text: "")
            stream, out = Stream(redactor.rules, redactor._lanes, emitter), ""
            for chunk in random_rules.cuts(rng, text):
                out += feed(rng, stream, chunk)
                assert stream.held <= cap
            assert out + stream.close() == expected, (redactor.rules, text)
            closed = [s for s in oracle.spans(rules, text) if not redactor.rules[s[2]].opens]
            redacted = {p for start, end, _ in closed for p in range(start, end)}
            assert not redacted & emitter.shown, (redactor.rules, text)


def test_an_unnatural_end_adds_nothing_to_what_is_certain() -> None:
    rng = random.Random(SEED + 4)
    for _ in range(RUNS // 20 // TEXTS):
        redactor, rules, _ = random_redactor(rng, exotic=False)
        for _ in range(TEXTS):
            text = random_text(rng, exotic=False, invisible=False)
            whole = oracle.redacted(rules, text)
            for at in range(len(text)):
                stream = redactor.stream()
                out = stream.feed(text[:at])
                assert stream.close(natural=False) == ""
                assert whole.startswith(out)


def test_lanes_side_by_side_give_the_same_however_it_is_cut() -> None:
    rng = random.Random(SEED + 5)
    for _ in range(RUNS // 10 // TEXTS):
        actions = ["redact", rng.choice(["redact", "block"]), rng.choice(["block", "flag"])]
        specs = [random_rules.rule(rng, f"r{i}") | {"action": action} for i, action in enumerate(actions)]
        try:
            redactor = Redactor(specs)
        except RuleError:
            continue
        rules = [oracle.oracle_rule({**s, "action": "redact"}) for s in specs]
        redacts = [rule for rule, action in zip(rules, actions, strict=True) if action == "redact"]
        blocks = [rule for rule, action in zip(rules, actions, strict=True) if action == "block"]
        for _ in range(TEXTS):
            text = random_text(rng, exotic=False, invisible=False)[:14]
            block = oracle.first_block(blocks, text)
            emitter = Recorder(redactor.rules, lambda rule, text: "")
            one, stream = redactor.stream(), Stream(redactor.rules, redactor._lanes, emitter)
            expected = one.feed(text) + one.close()
            out = "".join(feed(rng, stream, chunk) for chunk in random_rules.cuts(rng, text)) + stream.close()
            assert out == expected, (specs, text)
            assert (stream.blocked is None) == (block is None)
            assert sorted(stream.matches) == sorted(one.matches)
            whole = oracle.redacted(redacts, text)
            assert whole.startswith(out) if block is not None else out == whole, (specs, text)
            secret = [span[:2] for span in oracle.spans(redacts, text)] + ([] if block is None else [block])
            assert not {p for span in secret for p in range(*span)} & emitter.shown, (specs, text)


@pytest.mark.parametrize("exotic", [False, True])
def test_rules_that_only_report_do_so_each_as_if_alone(exotic: bool) -> None:
    rng = random.Random(SEED + 6 + exotic)
    for _ in range(RUNS // 10 // TEXTS):
        redactor, rules, invisible = random_redactor(rng, exotic=exotic, action=rng.choice(["flag", "block", "redact"]))
        redactor = Redactor.of(dataclasses.replace(r, shadow=r.action != "flag") for r in redactor.rules)
        for _ in range(TEXTS):
            text = random_text(rng, exotic=exotic, invisible=invisible)
            stream = redactor.stream()
            assert "".join(feed(rng, stream, chunk) for chunk in random_rules.cuts(rng, text)) + stream.close() == text
            expected = [(f"r{i}", *span[:2]) for i, rule in enumerate(rules) for span in oracle.spans([rule], text)]
            assert sorted(stream.matches) == sorted(expected), (redactor.rules, text)


def in_json(rules: Sequence[OracleRule], value: Any) -> Any:
    """Redact each string and each number of a JSON value separately."""
    if isinstance(value, dict):
        return {in_json(rules, key): in_json(rules, member) for key, member in value.items()}
    if isinstance(value, list):
        return [in_json(rules, member) for member in value]
    written = value if isinstance(value, str) else json.dumps(value)
    out = oracle.redacted(rules, written)
    return value if out == written else out


@pytest.mark.parametrize("whole", [False, True])
def test_each_string_and_number_of_a_json_text_is_a_text_of_its_own_however_it_is_cut(whole: bool) -> None:
    rng = random.Random(SEED + 8 + whole)
    for _ in range(RUNS // 20 // TEXTS):
        redactor, rules, invisible = random_redactor(rng, exotic=whole)
        if not whole:
            bound(rng, redactor, "closed")
        for _ in range(TEXTS):
            first, second = (random_text(rng, exotic=whole, invisible=invisible) for _ in range(2))
            value = rng.choice([[first, second], {first: second}, [{"a": [first]}, 11 ** rng.randint(1, 9), second]])
            text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
            text = text if whole else text[: rng.randint(0, len(text))]
            one, stream = redactor.json_stream(), redactor.json_stream()
            expected = one.feed(text) + one.close()
            out = "".join(feed(rng, stream, chunk) for chunk in random_rules.cuts(rng, text)) + stream.close()
            assert out == expected, (redactor.rules, text)
            if whole:
                assert json.loads(out) == in_json(rules, value), (redactor.rules, text)
                assert sorted(stream.matches) == sorted(one.matches)
