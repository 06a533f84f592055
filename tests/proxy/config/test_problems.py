"""The format of problems."""

import pytest

from proxy.config.problems import ConfigError, Path, Problem, written


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), ""),
        (("models", "fast", "policies", 0), "models.fast.policies[0]"),
        (("models", "gemini-2.5-flash", "target"), "models.'gemini-2.5-flash'.target"),
        (("models", "gemini-*"), "models.gemini-*"),
        (("policies", "redact/pii"), "policies.redact/pii"),
        (("a", "x\ny"), "a.'x\\ny'"),
        (("a", "x" * 100), f"a.'{'x' * 63}…'"),
    ],
)
def test_a_path_reads_as_people_write_it(path: Path, expected: str) -> None:
    assert written(path) == expected


def test_all_problems_are_told_once_each_in_the_files_order() -> None:
    later, first = Problem("f", 10, 1, "b", "two"), Problem("f", 9, 4, "", "one")
    error = ConfigError([later, first, later])
    assert str(error) == "f:9:4: one\nf:10:1 b: two"
    assert error.problems == [first, later]


def test_a_flood_of_problems_is_cut() -> None:
    text = str(ConfigError(Problem("f", line, 1, "", "x") for line in range(1, 131)))
    assert len(text.splitlines()) == 101
    assert text.endswith("… and 30 more")
