"""Estimates are close to a tokenizer's counts, and can be summed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import estimate
from proxy.accounting.tokenizers import load
from tests.instructions import Instructions
from tests.policies.texts import cut, texts

CODE = Path(estimate.__file__).read_text()
PROSE = estimate.__doc__ or ""
CHINESE = "在大型語言模型的應用中，串流輸出可以讓使用者更快看到結果，因此閘道必須在資料流動時就套用政策。" * 3


@pytest.mark.parametrize("text", [CODE, PROSE, CHINESE], ids=["code", "prose", "chinese"])
def test_it_comes_near_the_tokenizer(text: str) -> None:
    assert estimate.tokens(estimate.units(text)) == pytest.approx(load("o200k_base").count(text), rel=0.25)


@given(data=st.data(), text=texts)
def test_pieces_add_up(data: st.DataObject, text: str) -> None:
    assert sum(map(estimate.units, data.draw(cut(text)))) == estimate.units(text)


@given(text=texts, room=st.integers(-5, 500))
def test_what_is_within_a_room(text: str, room: int) -> None:
    count = estimate.within(text, room)
    assert count == 0 or estimate.units(text[:count]) <= room
    assert count == len(text) or estimate.units(text[: count + 1]) > room


def test_the_place_in_a_long_text_is_found_without_a_look_at_each_character() -> None:
    text = "é" * 100_000
    with Instructions("policies") as run:
        assert estimate.within(text, estimate.units(text) - 1) == 99_999
    assert run.count < 50_000


@pytest.mark.parametrize("value", [[1] * 50_000, ["a"] * 50_000, dict.fromkeys(map(str, range(25_000)), 1)])
def test_a_long_list_of_anything_is_estimated_in_many_steps(value: object) -> None:
    body = {"messages": [], "tools": [{"function": {"parameters": {"enum": value}}}]}
    assert len(list(estimate.prompt_steps(body))) >= 20


@pytest.mark.parametrize("content", ["é" * 5_000_000, [{"type": "text", "text": "é" * 10_000}] * 500])
def test_no_step_of_an_estimate_reads_much_text(content: object, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counted(text: str, units: Callable[[str], int] = estimate.units) -> int:
        read[-1] += len(text)
        return units(text)

    monkeypatch.setattr(estimate, "units", counted)
    steps = estimate.prompt_steps({"messages": [{"role": "user", "content": content}]})
    while True:
        read.append(0)
        try:
            next(steps)
        except StopIteration as end:
            assert end.value == pytest.approx(0.55 * 5_000_000, rel=0.01)
            break
    assert sum(read) >= 5_000_000 and max(read) <= 200_000


@pytest.mark.parametrize(("units", "tokens"), [(0, 0), (1, 1), (20, 1), (21, 2), (20.5, 2)])
def test_units_round_up(units: float, tokens: int) -> None:
    assert estimate.tokens(units) == tokens


@pytest.mark.parametrize(
    ("body", "least"),
    [
        ({}, 0),
        ({"messages": []}, 0),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x" * 400}]}]}, 100),
        ({"messages": [], "tools": [{"function": {"name": "f" * 400}}]}, 100),
        ({"messages": [], "response_format": {"schema": {"x" * 400: {}}}}, 100),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x" * 9000}}]}]},
            1000,
        ),
    ],
)
def test_all_that_a_model_reads_counts(body: dict[str, object], least: int) -> None:
    assert least <= estimate.prompt_tokens(body) <= least + 20


def test_a_body_of_many_values_is_read_in_steps() -> None:
    body = {"messages": [{"role": "user", "content": "x"} for _ in range(10_000)]}
    steps = estimate.prompt_steps(body)
    assert sum(1 for _ in steps) > 10
    assert estimate.prompt_tokens(body) == estimate.tokens(
        10_000 * (4 * estimate.UNITS + estimate.units("rolecontentuserx"))
    )
