"""The measured time to first token."""

import pytest

from proxy.routing.latency import HALF_LIFE, Latency
from tests.proxy.routing.places import Clock


def test_a_target_that_nobody_measured_is_expected_to_be_quick() -> None:
    assert Latency(Clock()).expected() == 0 and Latency(Clock()).mean is None


def test_the_first_figure_is_the_mean_and_later_ones_move_it() -> None:
    latency = Latency(Clock())
    latency.measured(1.0)
    assert latency.expected() == 1.0
    latency.measured(2.0)
    assert latency.expected() == pytest.approx(1.2)
    for _ in range(50):
        latency.measured(2.0)
    assert latency.mean == pytest.approx(2.0, abs=0.01)


def test_a_figure_that_nobody_renews_fades_so_that_a_slow_target_is_tried_again() -> None:
    clock = Clock()
    latency = Latency(clock)
    latency.measured(4.0)
    clock.now += HALF_LIFE
    assert latency.expected() == pytest.approx(2.0)
    clock.now += 9 * HALF_LIFE
    assert latency.expected() < 0.01
    assert latency.mean == 4.0
