"""A failure in a mapping is the client's error."""

import logging
import threading

import pytest

from policies.work import BASE_STEPS, OverBudget, Work
from proxy.errors import InvalidRequest, TooComplex, UpstreamError
from proxy.providers.base import Call
from proxy.providers.mapping.boundary import MAX_STEPS_ON_LOOP, mapped, mapping
from proxy.providers.mapping.workers import Workers
from tests.proxy.providers.calls import call


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


# ---- where it runs
class Mapping:
    """One that takes so many steps, and tells where it was begun and where it ended."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self.begun: list[bool] = []

    def make(self, call: Call) -> bool:
        on_loop = threading.current_thread() is threading.main_thread()
        self.begun.append(on_loop)
        with mapping(call):
            call.work.spend(self._steps, "messages[1]")
        return on_loop


@pytest.mark.anyio
async def test_a_small_request_is_mapped_on_the_event_loop_and_pays_for_its_work() -> None:
    work, maker = Work(), Mapping(10)
    assert await mapped(maker.make, call("gemini", work=work), Workers()) is True
    assert (work.left, maker.begun) == (BASE_STEPS - 10, [True])


@pytest.mark.anyio
async def test_one_that_is_heavier_than_it_looks_is_mapped_in_a_thread() -> None:
    work, maker = Work(), Mapping(MAX_STEPS_ON_LOOP + 1)
    assert await mapped(maker.make, call("gemini", work=work), Workers()) is False
    assert (work.left, maker.begun) == (BASE_STEPS - MAX_STEPS_ON_LOOP - 1, [True, False])


@pytest.mark.anyio
async def test_a_large_one_is_mapped_in_a_thread_at_once() -> None:
    maker = Mapping(1)
    assert await mapped(maker.make, call("gemini", large=True), Workers()) is False
    assert maker.begun == [False]


@pytest.mark.anyio
@pytest.mark.parametrize("left", [1, MAX_STEPS_ON_LOOP, 2 * MAX_STEPS_ON_LOOP])
async def test_the_requests_budget_holds_wherever_it_runs(left: int) -> None:
    with pytest.raises(TooComplex) as refused:
        await mapped(Mapping(left + 1).make, call("gemini", work=Work(left)), Workers())
    assert refused.value.param == "messages[1]"
