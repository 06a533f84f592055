"""The policies: pure, synchronous stages that map a stream's events to events. Usable without the gateway.

`POLICIES` is the registry: a policy is a module here and a line in this table.
"""

from policies.base import PolicyType
from policies.cost_cap import COST_CAP
from policies.json_guard import JSON_GUARD
from policies.redact.config import RedactConfig
from policies.redact.policy import build, build_together, guards, size
from policies.token_cap import TOKEN_CAP

POLICIES: dict[str, PolicyType] = {
    "json_guard": JSON_GUARD,
    "redact": PolicyType(RedactConfig, build, stage=20, guards=guards, together=build_together, size=size),
    "token_cap": TOKEN_CAP,
    "cost_cap": COST_CAP,
}
