"""Number types for limits."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return value


Count = Annotated[int, BeforeValidator(_no_bool), Field(ge=1, le=1_000_000_000)]
"""A count of at least one."""

Amount = Annotated[float, BeforeValidator(_no_bool), Field(gt=0, le=1_000_000_000, allow_inf_nan=False)]
"""An amount above zero."""
