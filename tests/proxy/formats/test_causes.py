"""The subject of a provider's error, in the words of vendors and servers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.formats.causes import cause

LENGTHS = [
    (400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."),
    (
        400,
        "You passed 99073 input tokens and requested 32000 output tokens. However, the model's context length is only "
        "131072 tokens.",
    ),
    (400, "The decoder prompt (length 5000) is longer than the maximum model length of 4096."),
    (400, "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it"),
    (400, "the request exceeds the available context size. try increasing the context size"),
    (500, "Context size has been exceeded."),
    (400, "Input is too long for requested model."),
    (400, "prompt is too long: 210000 tokens > 200000 maximum"),
    (400, "input length and `max_tokens` exceed context limit: 190000 + 21333 > 200000"),
    (400, "This model's maximum prompt length is 131072 but the request contains 537812 tokens."),
    (400, "Prompt contains 33000 tokens and 0 draft tokens, too large for model with 32768 maximum context length"),
    (400, "prompt too long; exceeded max context length by 12 tokens"),
    (400, "the input length exceeds the context length"),
    (400, "The input (5000 tokens) is longer than the model's context length (4096 tokens)."),
    (400, "Requested token count exceeds the model's maximum context length of 4096 tokens."),
    (400, "This endpoint's maximum context length is 262144 tokens. However, you requested about 284283 tokens."),
    (400, "Please reduce the length of the messages or completion."),
    (422, "`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 10000 `inputs` tokens"),
    (422, "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000"),
    (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
    (400, "Your input exceeds the context window of this model."),
    (400, "too many tokens: size limit exceeded by 500 tokens"),
    (400, "Invalid request: Your request exceeded model token limit: 8192"),
    (400, "Range of input length should be [1, 129024]"),
    (
        400,
        "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context "
        "length of only 4096 tokens",
    ),
    (413, "context window exceeds limit (2013)"),
]
ACCOUNTS = [
    (400, "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."),
    (400, "User location is not supported for the API use."),
    (402, "Insufficient Balance"),
    (402, ""),
    (403, "Country, region, or territory not supported"),
    (429, "You exceeded your current quota, please check your plan and billing details."),
]
MODERATIONS = [
    (403, "Your chosen model requires moderation and your input was flagged for violence."),
    (400, "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."),
    (400, "Your request was rejected as a result of our safety system."),
]
ROUTES = [
    (404, "No endpoints found that support tool use."),
    (404, "No endpoints found that support image input"),
    (404, "No allowed providers are available for the selected model."),
    (404, "No endpoints available matching your guardrail restrictions and data policy."),
]
OTHERS = [
    ("key", 401, "Incorrect API key provided"),
    ("key", 403, "Forbidden"),
    ("key", 400, "API key not valid. Please pass a valid API key."),
    ("model", 404, "The model `gpt-9` does not exist or you do not have access to it."),
    ("model", 410, "This model has been retired."),
    ("limit", 429, "Rate limit reached for requests"),
    ("limit", 413, "Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 9000"),
    ("limit", 408, ""),
    ("limit", 409, "Conflict"),
    ("request", 400, "Unknown parameter: 'sead'."),
    ("request", 422, "Extra inputs are not permitted"),
    ("request", 413, "Request exceeds the maximum size"),
    ("provider", 500, "Internal error"),
    ("provider", 503, "overloaded"),
    ("provider", 529, "Overloaded"),
    ("provider", 302, ""),
]
ROWS = [
    *[("length", status, said) for status, said in LENGTHS],
    *[("account", status, said) for status, said in ACCOUNTS],
    *[("moderation", status, said) for status, said in MODERATIONS],
    *[("route", status, said) for status, said in ROUTES],
    *OTHERS,
]


@pytest.mark.parametrize(("whose", "status", "said"), ROWS, ids=[f"{r[0]}-{r[1]}-{r[2][:30]}" for r in ROWS])
def test_each_refusal_has_its_cause(whose: str, status: int, said: str) -> None:
    assert cause(status, None, None, said) == whose


def test_a_code_says_it_too() -> None:
    assert cause(400, None, "context_length_exceeded", "x") == "length"
    assert cause(400, "exceed_context_size_error", None, "") == "length"
    assert cause(429, "insufficient_quota", None, "") == "account"


@given(st.integers(), st.text(max_size=300))
def test_whatever_is_said_has_one(status: int, said: str) -> None:
    assert cause(status, None, said)


def test_a_long_message_takes_no_long_time() -> None:
    for said in ("exceed " * 1000, "context " * 1000, "no endpoints " * 1000, "too many tokens" * 1000):
        assert cause(400, said * 100)
