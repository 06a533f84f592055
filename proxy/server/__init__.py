"""uvicorn, adapted to a streaming gateway: it notices clients that leave, drops slow and silent ones, and drains on
signals.

Stock uvicorn (0.54) differs in these points:

- After a pipelined request it stops reading, so it does not notice that the client left.
- Half-sent requests and unread responses occupy a connection forever.
- Request heads have no size limit.
- A request that offers an upgrade loses its body. (Java's client offers HTTP/2.)
- SIGTERM closes the listener at once, and the signal ends the process.
"""

from proxy.server.lifecycle import Server as Server
from proxy.server.lifecycle import make_server as make_server
from proxy.server.limits import Limits as Limits
from proxy.server.protocol import Protocol as Protocol
