"""Errors that clients see, grouped by who is at fault, each with its HTTP status and OpenAI error code.

A message says what is wrong and what to do about it. It never contains a key, an internal URL, a stack trace, or text
of an answer. All errors for clients are `GatewayError`s. `proxy.formats.openai_chat.envelope` makes the envelope.
"""

from typing import Literal, TypeAlias

from policies.work import OverBudget

Cause: TypeAlias = Literal["request", "moderation", "length", "route", "model", "key", "account", "limit", "provider"]
"""The subject of a provider's error: see `proxy.formats.causes`."""

_MAX_PARAM = 128


class GatewayError(Exception):
    """An answer in OpenAI's error envelope: {"error": {"message", "type", "param", "code"}}.

    `retry_after` is in seconds and becomes the `Retry-After` header.
    """

    status = 500
    type = "server_error"
    code: str | None = None

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        type: str | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status or self.status
        self.type = type or self.type
        self.code = code or self.code
        self.param = param
        self.retry_after = retry_after


class InvalidRequest(GatewayError):
    """The client's request is wrong. Nothing was sent to a provider."""

    status = 400
    type = "invalid_request_error"


class TooComplex(InvalidRequest):
    """The request asks for more work than one request may cause: see `policies.work`."""

    code = "request_too_complex"

    def __init__(self, over: OverBudget) -> None:
        super().__init__(f"{over}.", param=over.place[:_MAX_PARAM])


class Unauthorized(GatewayError):
    """The request has no key, or an unknown one."""

    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"


class Forbidden(GatewayError):
    """The key is known but may not do this."""

    status = 403
    type = "invalid_request_error"
    code = "forbidden"


class NotFound(GatewayError):
    """There is no such route, model or stream."""

    status = 404
    type = "invalid_request_error"
    code = "not_found"


class KeyPaused(GatewayError):
    """The key's own requests failed at a target that answers other keys. It must leave the target alone for a while."""

    status = 429
    type = "rate_limit_error"
    code = "key_cooldown"


class UpstreamError(GatewayError):
    """The provider rejected the request, failed, or disconnected.

    `status` is the client's status. `provider_status` is the provider's, None if it sent none (refused or lost
    connection). `cause` is the subject of the error (`proxy.formats.causes`). `quoted` means that the message is in the
    provider's words, which may repeat the prompt. `detail` is for the operator's log only: the reason from the
    operating system or the provider, without keys.
    """

    status = 502
    type = "server_error"
    code = "upstream_error"

    def __init__(
        self,
        message: str,
        *,
        provider_status: int | None = None,
        cause: Cause = "provider",
        quoted: bool = False,
        detail: str = "",
        **fields: object,
    ) -> None:
        super().__init__(message, **fields)  # type: ignore[arg-type]
        self.provider_status = provider_status
        self.cause: Cause = cause
        self.quoted = quoted
        self.detail = detail


class UpstreamTimeout(UpstreamError):
    """The provider was too slow. The message names the limit."""

    status = 504
    code = "upstream_timeout"


class AnswerTooLarge(UpstreamError):
    """The answer exceeds the size limit of a non-streaming answer. A retry would exceed it too."""

    code = "answer_too_large"

    def __init__(self) -> None:
        super().__init__(
            "The answer is larger than this gateway takes in one piece (server.max_answer_mb): ask for a stream or "
            "for a shorter answer, or ask the operator to raise the limit.",
            cause="request",
        )


class PolicyFailed(GatewayError):
    """A policy raised an exception. The stream fails closed."""

    status = 500
    code = "policy_error"
