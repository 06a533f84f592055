"""State of the configuration's loading, for probes, the operator's status, and metrics.

It holds the messages of a rejection, which repeat no values of the file. It holds no part of a configuration.
"""

import time
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Result: TypeAlias = Literal["loaded", "unchanged", "refused"]
"""The result of a load.

`loaded`: new requests use the new version. `unchanged`: the file is already in use. `refused`: the file is invalid, and
the version in use stays.
"""

MAX_PROBLEMS = 100

Cause: TypeAlias = Literal["start", "watch", "SIGHUP", "POST /admin/reload"]
"""The reason for reading a configuration: start, changed files, or a request by an operator."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rejected file.

    `at` is in seconds since the epoch. `problems` are at most `MAX_PROBLEMS` lines `file:line:column path: message`.
    `version` is that of the rejected content.
    """

    at: float
    problems: tuple[str, ...]
    version: str


@dataclass(slots=True)
class State:
    """The state of loading. Times are in seconds since the epoch.

    - `loaded_at` is when the version in use was loaded, `loaded_by` why.
    - `loads` and `refusals` count since the start. Content that is rejected again is not counted again.
    - `refused` is the newest file's rejection, None after a valid file was read.
    - `opened` means that a reload has removed the keys.
    - `pending` are the settings that the newest file changes and that take effect after a restart.
    - `trouble` says why changes of the files are noticed late, None while they are noticed at once.
    """

    loaded_at: float = field(default_factory=time.time)
    loaded_by: Cause = "start"
    loads: int = 0
    refusals: int = 0
    refused: Refusal | None = None
    opened: bool = False
    pending: tuple[str, ...] = ()
    trouble: str | None = None
