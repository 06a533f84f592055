"""Counters and histograms have the right values, and their number is limited."""

from proxy.telemetry.instruments import MAX_SERIES, Counter, Histogram, Observed
from proxy.telemetry.names import OTHER


def test_a_counter_adds_up_by_labels() -> None:
    counter = Counter("a", "1", "", ("x",))
    counter.add(1, "p")
    counter.add(2, "q")
    counter.add(0.5, "p")
    assert dict(counter.series()) == {("p",): 1.5, ("q",): 2}


def test_a_histogram_counts_up_to_and_with_each_bound() -> None:
    histogram = Histogram("a", "s", "", (1.0, 2.0), ("x",))
    for value in (0.5, 1.0, 1.5, 2.0, 9.0):
        histogram.record(value, "p")
    [(labels, point)] = histogram.series()
    assert labels == ("p",)
    assert point.counts == [2, 2, 1]
    assert (point.sum, point.count, point.least, point.most) == (14.0, 5, 0.5, 9.0)


def test_more_series_than_there_may_be_are_one() -> None:
    counter, histogram = Counter("a", "1", "", ("x", "y")), Histogram("b", "s", "", (1.0,), ("x",))
    for number in range(MAX_SERIES + 500):
        counter.add(1, str(number), "y")
        histogram.record(1, str(number))
    assert len(dict(counter.series())) == len(dict(histogram.series())) == MAX_SERIES + 1
    assert dict(counter.series())[OTHER, OTHER] == 500
    assert dict(histogram.series())[(OTHER,)].count == 500
    counter.add(1, "7", "y")
    assert dict(counter.series())["7", "y"] == 2


def test_an_observed_figure_is_asked_for_when_it_is_read() -> None:
    values = [3.0, 4.0]
    observed = Observed("a", "1", "", lambda: values.pop(0))
    assert [next(observed.series()), next(observed.series())] == [((), 3.0), ((), 4.0)]
