"""A fence opens and closes at the right places, wherever it is cut."""

import pytest

from policies.json_guard.fence import MAX_LENGTH, Closing, Opening
from tests.policies.json_guard.judging import cuts


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("```json\n{}", "\n{}"),
        ("```\n[1]", "\n[1]"),
        ("```JSON\r\n{}", "\r\n{}"),
        ("```json5 \n{}", "\n{}"),
        ("```{}", "{}"),
        ("```json{}", "{}"),
        ("```json [1]", "[1]"),
        (" \n\t```json\n1", " \n\t\n1"),
    ],
)
def test_an_opening_fence_is_taken_off(text: str, after: str) -> None:
    for pieces in cuts(text):
        opening = Opening()
        assert "".join(map(opening.feed, pieces)) == after
        assert opening.decided and opening.fenced and opening.held == ""


@pytest.mark.parametrize(
    "text", ["{}", " 1", "`1`", "``{}", "```python{}", "```a" + "b" * MAX_LENGTH + "\n", "Here:\n```json\n{}", "````\n"]
)
def test_what_opens_no_fence_is_kept(text: str) -> None:
    for pieces in cuts(text):
        opening = Opening()
        assert "".join(map(opening.feed, pieces)) == text
        assert opening.decided and not opening.fenced and opening.held == ""


@pytest.mark.parametrize("text", ["`", "``", "```", "```js", " \n```json"])
def test_what_may_become_a_fence_is_held(text: str) -> None:
    for pieces in cuts(text):
        opening = Opening()
        assert "".join(map(opening.feed, pieces)) == text[: text.index("`")]
        assert not opening.decided and opening.held == text[text.index("`") :]


@pytest.mark.parametrize(
    ("text", "place"),
    [("```", None), ("`", None), ("```\n \t", None), ("``x", 2), ("`` `", 2), ("````", 3), ("``` Hope this helps", 4)],
)
def test_behind_the_json_only_the_closing_fence_may_stand(text: str, place: int | None) -> None:
    for pieces in cuts(text):
        closing, found, before = Closing(), None, 0
        for piece in pieces:
            at = closing.feed(piece)
            if at is not None and found is None:
                found = before + at
                break
            before += len(piece)
        assert found == place
