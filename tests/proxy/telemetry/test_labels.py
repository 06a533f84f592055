"""Labels are closed sets: names in the configuration, and nothing that a client or a provider can choose."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.telemetry.labels import CODES, Labels, error_type
from proxy.telemetry.names import OTHER
from tests.proxy.telemetry.served import config

LABELS = Labels(config())


def test_a_name_counts_as_the_entry_that_takes_it() -> None:
    assert LABELS.alias("alias") == "alias"
    assert LABELS.alias("any-thing") == "any-*"
    assert LABELS.alias("nobody") == OTHER
    assert LABELS.alias("") == ""


def test_a_target_counts_as_it_is_configured() -> None:
    assert LABELS.target("openai", "openai", "gpt-4o-mini") == ("openai", "gpt-4o-mini")
    assert LABELS.target("openai", "local", "llama-of-my-own") == ("local", "*")
    assert LABELS.target("openai", "openai", "gpt-5") == (OTHER, OTHER)


@given(st.text(max_size=30), st.text(max_size=30), st.integers(100, 599) | st.none())
def test_nothing_that_is_chosen_becomes_a_label(name: str, code: str, status: int | None) -> None:
    assert LABELS.alias(name) in {"alias", "any-*", OTHER, ""}
    assert set(LABELS.target("openai", "local", name)) <= {"local", "*"}
    assert set(LABELS.target("litellm", name, f"{name}/x")) <= {OTHER}
    assert LABELS.provider(name) in {"openai", "local", OTHER}
    assert error_type(code, status) in {*CODES, OTHER, "", str(status)}


def test_an_error_is_told_by_its_code_else_by_its_status() -> None:
    assert error_type("upstream_died", None) == "upstream_died"
    assert error_type("some words of a provider", 529) == "529"
    assert error_type("some words of a provider", None) == OTHER
    assert error_type(None, 200) == error_type(None, None) == ""
