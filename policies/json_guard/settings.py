"""`json_guard/<name>` in config.yaml, and a request's requirements for its answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from policies.base import Context, Refuse
from policies.json_guard.pace import Pace
from policies.json_guard.schema import Schema, compiled
from policies.json_guard.survey import SchemaError
from policies.numbers import Count
from policies.steps import Steps

DEFAULT_ATTEMPTS = 2

PLACE = "response_format.json_schema.schema"
"""Place of the schema in a request."""


class JsonGuardConfig(BaseModel):
    """Configuration of the policy.

    - `on_invalid`: `stop` ends the choice at the first character that cannot be valid. `retry` holds the answer until
      it is checked whole, and rejects an attempt that fails, up to `attempts` in all. `flag` only reports.
    - `when`: for requests with a JSON `response_format`, or for all.
    - `strip_fence`: remove a Markdown fence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    on_invalid: Literal["stop", "retry", "flag"] = "stop"
    attempts: Annotated[Count, Field(le=10)] = DEFAULT_ATTEMPTS
    when: Literal["json_requests", "always"] = "json_requests"
    strip_fence: bool = False

    @model_validator(mode="after")
    def _attempts_are_for_retry(self) -> "JsonGuardConfig":
        if "attempts" in self.model_fields_set and self.on_invalid != "retry":
            raise ValueError("attempts has an effect only with on_invalid: retry: set that, or leave attempts out")
        return self

    def applies(self, context: Context) -> bool:
        return self.when == "always" or context.json_answer


@dataclass(frozen=True, slots=True)
class Ask:
    """A request's requirements. `schema` is None if any JSON is valid. `tools` means that the model may call tools."""

    schema: Schema | None = None
    tools: bool = False


def asked(body: Mapping[str, Any], context: Context, *, whole: bool) -> Steps[Ask]:
    """Read a request's requirements.

    `whole` means that the schema is also for whole answers. Raises `SchemaError` and `OverBudget`.
    """
    schema: Schema | None = None
    match body.get("response_format"):
        case {"type": "json_schema", "json_schema": {"schema": source}}:
            schema = yield from _compiled_once(source, context, whole)
    return Ask(schema, bool(body.get("tools") or body.get("functions")))


def _compiled_once(source: Any, context: Context, whole: bool) -> Steps[Schema]:
    """Prepare the schema once for all attempts of the request."""
    key = ("json_guard", whole)
    known = context.kept.get(key)
    if known is not None and known[0] is source:
        schema: Schema = known[1]
        return schema
    schema = yield from compiled(source, Pace(context.work, PLACE), whole=whole)
    context.kept[key] = source, schema
    return schema


def refusal(error: SchemaError) -> Refuse:
    """Make the rejection that tells the client what to change."""
    message = f"{PLACE} cannot be used to check the answer: {error}."
    return Refuse(f"{message} The gateway reads JSON Schema 2020-12 in one document.", "invalid_json_schema")
