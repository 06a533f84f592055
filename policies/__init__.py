"""The policies: pure, synchronous stages that map a stream's events to events; usable without the gateway.

`POLICIES` is the one registration point: a policy is a file here and a line in this table.
"""

from policies.base import PolicyType

POLICIES: dict[str, PolicyType] = {}
