"""What is known of the configuration's loading: for the probes, the operator's status, and metrics.

Rule: it holds what a refusal says, which repeats no value of the file; no part of a configuration.
"""

import time
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Result: TypeAlias = Literal["loaded", "unchanged", "refused"]
"""What became of an attempt to load: requests begin with a new version; the file is the one in use; it is not right,
and the version in use stays."""

MAX_PROBLEMS = 100

Cause: TypeAlias = Literal["start", "watch", "SIGHUP", "POST /admin/reload"]
"""Why a configuration was read: the process began, its files changed, somebody asked."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that was not taken. `at` is in seconds since the epoch; `problems` are at most `MAX_PROBLEMS`, each
    `file:line:column path: message`; `version` is the refused content's."""

    at: float
    problems: tuple[str, ...]
    version: str


@dataclass(slots=True)
class State:
    """`loaded_at` is when the version in use was taken, in seconds since the epoch, `loaded_by` why. `loads` and
    `refusals` count since the start; a content that is refused again is not counted again. `refused` is the newest
    file's refusal, None once a right one was read. `opened`: a reload has taken the keys out. `pending` are the
    settings that the newest file changes and that take effect after a restart. `trouble` says why changes of the files
    are noticed late, None while they are noticed at once."""

    loaded_at: float = field(default_factory=time.time)
    loaded_by: Cause = "start"
    loads: int = 0
    refusals: int = 0
    refused: Refusal | None = None
    opened: bool = False
    pending: tuple[str, ...] = ()
    trouble: str | None = None
