"""Where log lines go: access lines as JSON to stdout, everything else in words to stderr."""

import logging
import sys


def set_up_logs() -> None:
    """Set the process's loggers up. Called once, by the command that serves."""
    words = logging.StreamHandler(sys.stderr)
    words.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"))
    logging.basicConfig(level=logging.WARNING, handlers=[words])
    logging.getLogger("sluice").setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.INFO)
    access = logging.getLogger("sluice.access")
    lines = logging.StreamHandler(sys.stdout)
    lines.setFormatter(logging.Formatter("%(message)s"))
    access.addHandler(lines)
    access.propagate = False
