"""`sluice telemetry test`: check that the backends of a configuration accept the gateway's telemetry."""

import sys

from proxy.config.load import ConfigError, load
from proxy.telemetry.check import check
from proxy.telemetry.environment import TelemetryError


def test(path: str) -> int:
    """Send one of each signal. Return the exit code."""
    try:
        results = []
        for result in check(load(path)):
            print(result.said, file=sys.stdout if result.good else sys.stderr)
            results.append(result)
    except (ConfigError, TelemetryError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if all(result.good for result in results) else 1
