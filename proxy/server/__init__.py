"""uvicorn as a streaming gateway needs it: clients that leave are noticed, slow and silent ones are dropped, signals
drain.

What stock uvicorn (0.54) does otherwise: after a pipelined request it stops reading, so it never learns that the client
left; half-sent requests and unread responses hold a connection for ever; request heads are unbounded; a request that
offers an upgrade (Java's client offers HTTP/2) loses its body; SIGTERM closes the listener at once and the process ends
by the signal.
"""

from proxy.server.lifecycle import Server as Server
from proxy.server.lifecycle import make_server as make_server
from proxy.server.limits import Limits as Limits
from proxy.server.protocol import Protocol as Protocol
