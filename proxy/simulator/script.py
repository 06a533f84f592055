"""What goes over the wire for one request, decided before the first byte: bytes, times, and how the connection ends.

Rule: building a script is pure; playing it decides nothing. A script is made once for each (format, answer, terms) and shared by
all streams that play it, so `STAMP` stands where a stream's own id goes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import batched
from typing import Literal, TypeAlias

from proxy.simulator.answers import Answer, Fault
from proxy.simulator.asks import Refused
from proxy.simulator.formats import FORMATS
from proxy.simulator.formats.base import STAMP, Format, Telling, Terms
from proxy.simulator.http import chunk, head
from proxy.simulator.pieces import Piece, pieces_of

Then: TypeAlias = Literal["keep", "close", "reset", "stall"]
Outcome: TypeAlias = Literal["completed", "failed", "refused", "dropped", "reset", "client_left"]
