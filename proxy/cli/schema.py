"""`sluice schema`: print the configuration's JSON Schema."""

from policies import POLICIES
from proxy.config.schema import config_schema, written


def schema() -> int:
    """Print the schema. Return the exit code."""
    print(written(config_schema(POLICIES)), end="")
    return 0
