"""`sluice health`: check that the gateway of a configuration file is alive."""

from proxy.cli.client import call
from proxy.config.load import server_of

_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""The addresses that mean "listen on every address", and the loopback address that reaches such a listener."""


def health(path: str, host: str | None, port: int | None) -> None:
    """Call `GET /healthz` of the gateway of a configuration file.

    `host` and `port` override those of the file, as they do for `sluice serve`. Raises `ConfigError` if the file's
    section `server` cannot be used. Ends the command with exit code 1 if the gateway does not answer with 200.
    """
    server = server_of(path, {"host": host, "port": port})
    name = _EVERY_ADDRESS.get(server.host, server.host)
    call(f"http://{f'[{name}]' if ':' in name else name}:{server.port}", None, "GET", "/healthz")
