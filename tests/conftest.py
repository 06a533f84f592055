"""Settings of every test.

Hypothesis: on shared machines neither the time of an example nor that of its generation says anything. In CI the
examples are the same in each run, so that a red run can be repeated; elsewhere they are new ones.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
