"""Settings of every test.

On shared machines, the time of a Hypothesis example or its generation means nothing. In CI the examples are the same in
each run, so that a failure can be repeated. Elsewhere they are new.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
