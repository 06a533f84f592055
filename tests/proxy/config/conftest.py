"""Shared parts of the configuration's tests."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from policies.base import PolicyType
from proxy.config.load import ConfigError, parse


class Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    words: tuple[str, ...] = ()


class MaskConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    rules: tuple[Rule, ...] = ()
    limit: int = 3


def _never_built(*arguments: Any) -> Any:
    raise AssertionError("loading builds no policy")


@pytest.fixture(scope="session")
def policy_types() -> Mapping[str, PolicyType]:
    """A registry with one type, `mask`."""
    return {"mask": PolicyType(config=MaskConfig, build=_never_built, stage=1, guards=lambda config: True)}


@pytest.fixture(scope="session")
def refusal(policy_types: Mapping[str, PolicyType]) -> Callable[..., list[str]]:
    """Return a function that lists a text's problems as `line:column path: message`, none if it is accepted."""

    def problems(text: str, environ: Mapping[str, str] | None = None, **options: Any) -> list[str]:
        try:
            parse(text, "c.yaml", environ=environ or {}, policies=policy_types, **options)
        except ConfigError as error:
            return [line.removeprefix("c.yaml:") for line in str(error).splitlines()]
        return []

    return problems
