"""Whatever fails in a mapping is the client's error."""

import logging

import pytest

from policies.work import OverBudget
from proxy.errors import InvalidRequest, UpstreamError
from proxy.upstreams.boundary import mapping
from tests.proxy.upstreams.calls import call


def failed(failure: Exception) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused, mapping(call("anthropic")):
        raise failure
    return refused.value


def test_too_much_work_is_a_400_that_names_the_place() -> None:
    error = failed(OverBudget("tools[3].function.parameters"))
    assert (error.status, error.code, error.param) == (400, "request_too_complex", "tools[3].function.parameters")


def test_a_failure_that_no_check_foresaw_is_a_400_and_logged_without_the_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = failed(KeyError("the client's secret words"))
    assert (error.status, error.code) == (400, "unmappable_request")
    [line] = [record for record in caplog.records if record.name == "sluice"]
    assert line.levelno == logging.ERROR and "KeyError" in line.getMessage()
    assert "secret words" not in line.getMessage() + error.message and "test_boundary" in line.getMessage()


def test_refusals_and_other_errors_for_clients_pass() -> None:
    assert failed(given := InvalidRequest("no", param="n")) is given
    with pytest.raises(UpstreamError), mapping(call("anthropic")):
        raise UpstreamError("unknown")
