"""The minimum cost: uvicorn and aiohttp with a raw ASGI endpoint that forwards bytes without parsing.

Run it as `python -m benchmarks.bare UPSTREAM PORT`. The gateway's own cost is the difference.
"""

import sys
from typing import Any

import aiohttp
import uvicorn


class Bare:
    """Forwards the body of each POST, and the response back."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {"content-type": "application/json", "authorization": "Bearer bench"}
        async with self._session.request(
            scope["method"], self._upstream + scope["path"], data=body, headers=headers
        ) as response:
            await send({"type": "http.response.start", "status": response.status, "headers": []})
            async for data in response.content.iter_any():
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    uvicorn.run(
        Bare(sys.argv[1]),
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
