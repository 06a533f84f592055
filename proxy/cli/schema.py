"""`sluice schema`: the configuration's JSON Schema on standard output."""

from policies import POLICIES
from proxy.config.schema import config_schema, written


def schema() -> int:
    """Print the schema; the process's exit code."""
    print(written(config_schema(POLICIES)), end="")
    return 0
