"""No parameter is without effect in silence."""

from typing import Any

import pytest

from proxy.errors import InvalidRequest
from proxy.providers.mapping.parameters import BOOKKEEPING, Dialect, Parameters, chosen, says_nothing
from tests.proxy.providers.calls import call

DIALECT = Dialect("Provider", native=frozenset({"top_k"}), as_it_is={"effort": ("none",)})
SUPPORTED = frozenset({"temperature", "max_tokens", "max_completion_tokens", "n", "user"})


def sorted_out(body: dict[str, Any], **settings: Any) -> Parameters:
    return chosen(call("openai", body, settings=settings), DIALECT, SUPPORTED)


def test_mapped_and_native() -> None:
    parameters = sorted_out({"temperature": 0, "top_k": 3, "n": 2, "stream": True, "user": "u"})
    assert parameters.mapped == {"temperature": 0, "n": 2, "user": "u"}
    assert parameters.native == {"top_k": 3}


def test_what_says_nothing_is_left_out() -> None:
    nothing = {"temperature": None, "n": 1, "effort": "none", "frequency_penalty": 0.0, **dict.fromkeys(BOOKKEEPING)}
    assert sorted_out({**nothing, **dict.fromkeys(BOOKKEEPING - {"user"}, "x")}) == Parameters({}, {})
    assert not says_nothing("n", 2)
    assert not says_nothing("effort", "none")


def test_the_newer_limit_holds() -> None:
    assert sorted_out({"max_completion_tokens": 1, "max_tokens": 2}).mapped == {"max_completion_tokens": 1}


def test_the_rest_is_refused_by_name_or_dropped() -> None:
    with pytest.raises(InvalidRequest, match="'seed'") as refused:
        sorted_out({"seed": 1})
    assert (refused.value.param, refused.value.code) == ("seed", "unsupported_parameter")
    assert sorted_out({"seed": 1}, drop_params=True) == Parameters({}, {})


def test_a_long_name_is_cut_in_the_message() -> None:
    with pytest.raises(InvalidRequest) as refused:
        sorted_out({"x" * 10_000: 1})
    assert len(refused.value.message) < 400
