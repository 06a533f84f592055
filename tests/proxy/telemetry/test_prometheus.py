"""The instruments as Prometheus reads them, by its own client's parser."""

from prometheus_client.parser import text_string_to_metric_families

from proxy.telemetry.instruments import Counter, Histogram, Instruments, Observed
from proxy.telemetry.prometheus import Exposition


def read(*instruments: object) -> dict[str, list[tuple[str, dict[str, str], float]]]:
    held = Instruments()
    held.add(*instruments)  # type: ignore[arg-type]
    body, content_type = Exposition(held).text("")
    assert content_type.startswith("text/plain; version=")
    families = text_string_to_metric_families(body.decode())
    return {family.name: [(s.name, s.labels, s.value) for s in family.samples] for family in families}


def test_names_units_and_kinds() -> None:
    cost, active = Counter("sluice.cost", "USD", "c", ("sluice.provider",)), Counter("n", "{request}", "", (), False)
    cost.add(0.25, "openai")
    active.add(2)
    found = read(cost, active, Observed("lag", "s", "", lambda: 1.5))
    assert found["sluice_cost_usd"] == [("sluice_cost_usd_total", {"sluice_provider": "openai"}, 0.25)]
    assert found["n"] == [("n", {}, 2.0)]
    assert found["lag_seconds"] == [("lag_seconds", {}, 1.5)]
    assert "process_resident_memory_bytes" in found


def test_buckets_add_up_and_end_in_infinity() -> None:
    histogram = Histogram("a.b", "s", "", (0.5, 1.0), ("x.y",))
    for value in (0.1, 0.7, 5.0):
        histogram.record(value, "p")
    samples = {(name, labels.get("le")): value for name, labels, value in read(histogram)["a_b_seconds"]}
    assert samples["a_b_seconds_bucket", "0.5"] == 1
    assert samples["a_b_seconds_bucket", "1.0"] == 2
    assert samples["a_b_seconds_bucket", "+Inf"] == samples["a_b_seconds_count", None] == 3
    assert round(samples["a_b_seconds_sum", None], 3) == 5.8


def test_openmetrics_for_those_who_ask_for_it() -> None:
    body, content_type = Exposition(Instruments()).text("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text") and body.endswith(b"# EOF\n")
