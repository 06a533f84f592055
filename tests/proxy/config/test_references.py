"""Constraints between several values of a file."""

import hashlib
from collections.abc import Callable

import pytest
from pydantic import BaseModel

from policies.base import PolicyType
from proxy.config.load import ConfigError, parse
from proxy.config.references import exposure

Refusal = Callable[..., list[str]]

PROVIDERS = "providers: {openai: {api_key: k}, local: {api: openai, base_url: 'http://h/v1'}, az: {api: litellm}}\n"
MODELS = "models: {m: {target: openai/x}}\n"
GOOD = PROVIDERS + MODELS


def test_a_good_file_is_accepted(refusal: Refusal) -> None:
    assert refusal(GOOD) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("openai: {}", "2:2 providers.openai.api_key: is missing: the provider needs a key, such as ${OPENAI_API_KEY}"),
        ("anthropic: {}", "2:2 providers.anthropic.api_key: is missing"),
        (
            "x: {api: gemini}",
            "2:2 providers.x.api_key: is missing: the provider needs a key, such as ${GEMINI_API_KEY}",
        ),
        ("x: {}", "2:2 providers.x.api: needs `api`: openai, anthropic, gemini, litellm; only the names"),
        ("x: {api: opanai}", "2:11 providers.x.api: must be 'openai', 'anthropic', 'gemini' or 'litellm'"),
        ("x: {api: openai}", "2:2 providers.x.base_url: is missing: give the server's address"),
        ("'x y': {api: litellm}", "2:2 providers.'x y': a provider's name is letters, digits"),
        ("x/y: {api: litellm}", "2:2 providers.x/y: a provider's name is letters, digits"),
        ("anthropic: {base_url: 'http://h/v1'}", "2:24 providers.anthropic.base_url: must end before /v1:"),
        ("gemini: {base_url: 'http://h/v1beta/'}", "2:21 providers.gemini.base_url: must end before /v1beta:"),
        (
            "x: {api: litellm, base_url: 'http://h', options: {api_base: 'http://h'}}",
            "2:30 providers.x.base_url: is given as `options.api_base` too",
        ),
        (
            "gemini: {api_key: k, include_usage: false}",
            "2:38 providers.gemini.include_usage: is for OpenAI-format servers only",
        ),
        ("gemini: {api_key: k, options: {a: 1}}", "2:32 providers.gemini.options: are for `api: litellm` only"),
        (
            "x: {api: litellm, options: {api_bse: u}}",
            "2:30 providers.x.options.api_bse: unknown option; did you mean 'api_b",
        ),
        ("x: {api: litellm, options: {_x: 1}}", "2:30 providers.x.options._x: unknown option; known: 'api_base', 'api"),
        (
            "x: {api: litellm, options: {mock_response: a}}",
            "2:30 providers.x.options.mock_response: unknown option; known",
        ),
        ("x: {api: litellm, options: {model: a}}", "2:30 providers.x.options.model: unknown option"),
        (
            "x: {api: litellm, options: {api_key: a}}",
            "2:30 providers.x.options.api_key: goes in the provider's own `api_",
        ),
        ("x: {api: litellm, options: {api_base: [1]}}", "2:40 providers.x.options.api_base: must be text, a number"),
        ("x: {api: litellm, options: {api_base: null}}", "2:40 providers.x.options.api_base: must be text, a number"),
        ("x: null", "2:5 providers.x: must be a mapping of `key: value` lines"),
    ],
)
def test_a_provider_says_what_it_needs(refusal: Refusal, line: str, problem: str) -> None:
    text = f"providers:\n {line}\nmodels: {{m: {{target: {line.split(':')[0].strip(chr(39))}/x}}}}"
    found = refusal(text)
    assert found[0].startswith(problem)
    assert len(found) == 1 or "models.m.target" in found[1]


@pytest.mark.parametrize(
    "line",
    [
        "openai: {base_url: 'http://127.0.0.1:1/v1'}",
        "anthropic: {base_url: 'http://127.0.0.1:1'}",
        "x: {api: anthropic, api_key: k}",
        "bedrock: {api: litellm, options: {aws_region_name: eu-west-1, api_version: 2024-02-01}}",
        "x: {api: litellm, api_key: k, base_url: 'http://h/v1', include_usage: false}",
        "local: {api: openai, base_url: 'http://h/v1', include_usage: false}",
    ],
)
def test_usual_providers_are_accepted(refusal: Refusal, line: str) -> None:
    assert refusal(f"providers:\n {line}\nmodels: {{m: {{target: {line.split(':')[0]}/x}}}}") == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("m: {target: opnai/x}", "3:14 models.m.target: names an unknown provider; did you mean 'openai'?"),
        ("m: {target: zzz/x}", "3:14 models.m.target: names an unknown provider; known: 'openai', 'local', 'az'"),
        ("m: {target: openai}", "3:14 models.m.target: must be `provider/model`, such as openai/gpt-4o-mini"),
        ("m: {target: openai/}", "3:14 models.m.target: must be `provider/model`"),
        ("m: {target: /x}", "3:14 models.m.target: must be `provider/model`"),
        ("m: {target: openai/../x}", "3:14 models.m.target: the provider's model name holds an empty, '.' or '..'"),
        ("m: {target: 'openai/x?y'}", "3:14 models.m.target: the provider's model name holds a space"),
        ("m: {target: 'openai/*'}", "3:14 models.m.target: may hold no *, because the model's name has none"),
        ("'m*': {target: 'openai/*-*'}", "3:17 models.m*.target: may hold only one *"),
        ("'m**': {target: 'openai/*'}", "3:2 models.m**: the name holds more than one *: use one"),
        ("'m x': {target: openai/x}", "3:2 models.'m x': the name holds a space"),
        ("a/../m: {target: openai/x}", "3:2 models.'a/../m': the name holds an empty, '.' or '..'"),
        ("'': {target: openai/x}", "3:2 models.'': the name is empty"),
        ("m: {target: openai/x, drop_params: true}", "3:37 models.m.drop_params: has no effect on an OpenAI-format"),
        ("m: {target: local/x, drop_params: true}", "3:36 models.m.drop_params: has no effect on an OpenAI-format"),
        ("m: {target: openai/x, policies: [mask/a]}", "3:35 models.m.policies[0]: unknown policy: none is known"),
    ],
)
def test_a_model_refers_to_what_there_is(refusal: Refusal, line: str, problem: str) -> None:
    (found,) = refusal(f"{PROVIDERS}models:\n {line}")
    assert found.startswith(problem)


@pytest.mark.parametrize(
    "line",
    [
        "'m-*': {target: 'openai/x-*'}",
        "'m-*': {target: openai/x}",
        "'*': {target: 'openai/*'}",
        "m: {target: az/azure/my-deployment}",
        "m: {target: openai/x, drop_params: true, engine: litellm}",
        "m: {target: az/x, drop_params: true}",
    ],
)
def test_usual_models_are_accepted(refusal: Refusal, line: str) -> None:
    assert refusal(f"{PROVIDERS}models:\n {line}") == []


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            "policies: {mask/a: {}}\ndefault_policies: [mask/b]",
            "4:20 default_policies[0]: unknown policy; did you",
        ),
        ("policies: {mask/a: {}}\ndefault_policies: [mask/a, mask/a]", "4:28 default_policies[1]: is listed twice"),
        ("policies: {redact/pii: {}}", "3:12 policies.redact/pii: unknown policy type 'redact'; known: 'mask'"),
        ("policies: {mask: {}}", "3:12 policies.mask: must be `type/name`, such as redact/pii"),
        ("policies: {mask/: {}}", "3:12 policies.mask/: must be `type/name`"),
        ("policies: {mask/a: {limit: x}}", "3:28 policies.mask/a.limit: must be a whole number"),
        (
            "policies:\n  mask/a:\n    rules:\n      - {name: x}\n      - {name: y, wrods: [a]}",
            "7:19 policies.mask/a.rules[1].wrods: unknown key; did you mean 'words'?",
        ),
        ("policies: {mask/a: {rules: [{}]}}", "3:29 policies.mask/a.rules[0].name: is missing"),
        ("policies: [mask/a]", "3:11 policies: must be a mapping"),
    ],
)
def test_policies_are_known_and_their_configs_are_theirs(refusal: Refusal, lines: str, problem: str) -> None:
    (found,) = refusal(f"{GOOD}{lines}")
    assert found.startswith(problem)


def test_without_policy_types_the_message_says_so(refusal: Refusal) -> None:
    with pytest.raises(ConfigError, match=r"unknown policy type 'redact': none is known yet"):
        parse(f"{GOOD}policies: {{redact/pii: {{}}}}", environ={}, policies={})


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("[{name: a}]", "3:15 auth.keys[0]: needs exactly one of `key` and `sha256`"),
        (f"[{{name: a, key: long-enough, sha256: {'ab' * 32}}}]", "3:15 auth.keys[0]: needs exactly one"),
        (
            "[{name: a, key: long-enough}, {name: a, key: long-enough2}]",
            "3:51 auth.keys[1].name: is the name of keys[0] too",
        ),
        (
            "[{name: a, key: long-enough}, {name: b, key: long-enough}]",
            "3:59 auth.keys[1].key: is the same key as keys[0]",
        ),
        (f"[{{name: a, key: long-enough}}, {{name: b, sha256: {'AB' * 32}}}]", ""),
        ("[{name: a, key: short}]", "3:30 auth.keys[0].key: is shorter than 8 characters: make one with"),
        ("[{name: a, sha256: xyz}]", "3:33 auth.keys[0].sha256: must be 64 hexadecimal digits"),
        ("[{key: long-enough}]", "3:15 auth.keys[0].name: is missing"),
        ("x", "3:14 auth.keys: must be a list"),
    ],
)
def test_client_keys_are_told_apart(refusal: Refusal, keys: str, problem: str) -> None:
    found = refusal(f"{GOOD}auth: {{keys: {keys}}}")
    assert [one[: len(problem)] for one in found] == ([problem] if problem else [])


def test_a_key_and_its_own_digest_are_the_same_key(refusal: Refusal) -> None:
    digest = hashlib.sha256(b"long-enough").hexdigest().upper()
    (found,) = refusal(f"{GOOD}auth: {{keys: [{{name: a, key: long-enough}}, {{name: b, sha256: '{digest}'}}]}}")
    assert "auth.keys[1].sha256: is the same key as keys[0]" in found


@pytest.mark.parametrize(
    ("lines", "problems"),
    [
        ("server: {host: 0.0.0.0}", ["3:16 server.host: is reachable from other machines and there are no keys"]),
        ("auth:\nserver: {host: '::'}", ["4:16 server.host: is reachable from other machines"]),
        ("server: {host: 127.0.0.2}", []),
        ("server: {host: '::1'}", []),
        ("auth: {keys: [{name: a, key: long-enough}]}\nserver: {host: 0.0.0.0, cors_origins: ['*']}", []),
        ("server: {cors_origins: ['*']}", ['3:25 server.cors_origins[0]: "*" lets any web page use']),
        (
            "server: {cors_origins: ['https://a.example', 'https://a.example/']}",
            ["3:46 server.cors_origins[1]: must be an"],
        ),
    ],
)
def test_without_keys_nobody_beyond_this_machine_gets_in(refusal: Refusal, lines: str, problems: list[str]) -> None:
    found = refusal(f"{GOOD}{lines}")
    assert [one[: len(problem)] for one, problem in zip(found, problems, strict=True)] == problems


def test_exposure_says_what_to_do() -> None:
    assert exposure("0.0.0.0", has_auth=True) is None
    assert exposure("127.0.0.1", has_auth=False) is None
    assert "add `auth.keys`, or use 127.0.0.1" in (exposure("10.0.0.1", has_auth=False) or "")


# ---- prices
class _Capped(BaseModel):
    pass


PRICED = {"cap": PolicyType(config=_Capped, build=lambda *_: None, stage=1, guards=lambda _: False, needs_price=True)}  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    ("text", "unpriced"),
    [
        ("models: {m: {target: openai/gpt-4o-mini}}\n", False),
        ("models: {m: {target: openai/foo}}\n", True),
        ("models: {m: {target: openai/foo, policies: []}}\n", False),
        ("models: {m: {target: local/gpt-4o-mini}}\n", True),
        ("models: {m: {target: local/foo}}\nprices: {foo: {input: 1, output: 2}}\n", False),
        ("models: {m: {target: local/foo}}\nprices: {local/f*: {input: 1, output: 2}}\n", False),
        ("models: {'m*': {target: 'openai/*'}}\n", False),
    ],
)
def test_a_cost_cap_needs_a_price(text: str, unpriced: bool) -> None:
    whole = PROVIDERS + text + "policies: {cap/c: {}}\ndefault_policies: [cap/c]\n"
    if not unpriced:
        parse(whole, policies=PRICED)
        return
    with pytest.raises(ConfigError, match=r"models\.m\.target: has no known price, which cap/c needs: add `"):
        parse(whole, policies=PRICED)


def test_a_cost_cap_needs_a_price_for_every_target_that_may_serve() -> None:
    text = (
        PROVIDERS + "models:\n  a: {targets: [openai/gpt-4o-mini, openai/foo], fallbacks: [b], policies: [cap/c]}\n"
        "  b: {target: local/bar, fallbacks: [c], policies: []}\n  c: {target: openai/gpt-4o, policies: []}\n"
        "policies: {cap/c: {}}\n"
    )
    with pytest.raises(ConfigError) as refused:
        parse(text, policies=PRICED)
    assert [problem.path for problem in refused.value.problems] == ["models.a.targets[1]", "models.b.target"]


@pytest.mark.parametrize("price", ["{input: -1, output: 2}", "{input: 1}", "{input: 1, output: true}", "3"])
def test_prices_that_are_refused(refusal: Refusal, price: str) -> None:
    assert len(refusal(GOOD + f"prices: {{m: {price}}}\n")) == 1
    assert "more than one *" in refusal(GOOD + "prices: {'a*b*': {input: 1, output: 2}}\n")[0]


def test_caps_that_limit_nothing_are_refused() -> None:
    text = GOOD + "policies:\n  token_cap/a: {max_tokens: 0}\n  token_cap/b: {}\n  cost_cap/c: {max_usd: -1}\n"
    with pytest.raises(ConfigError) as refused:
        parse(text)
    first, second, third = str(refused.value).splitlines()
    assert "policies.token_cap/a.max_tokens: must be greater than or equal to 1" in first
    assert "policies.token_cap/b: limits nothing: give max_tokens" in second
    assert "policies.cost_cap/c.max_usd: must be greater than 0" in third


def test_a_limit_that_is_refused_is_told_with_its_line() -> None:
    text = (
        PROVIDERS + "models:\n  dear: {target: openai/unheard-of, policies: [cost_cap/c]}\n"
        "policies:\n"
        "  token_cap/a: {max_tokens: -5}\n"
        "  cost_cap/c: {max_usd: 0}\n"
        "  cost_cap/d:\n"
        "    max_usd: -0.5\n"
    )
    lines = text.splitlines()
    with pytest.raises(ConfigError) as refused:
        parse(text, "c.yaml")
    told = {int(problem.split(":")[1]): problem for problem in str(refused.value).splitlines()}
    for what, why in (
        ("unheard-of", "has no known price, which cost_cap/c needs: add `unheard-of: {input"),
        ("max_tokens: -5", "must be greater than or equal to 1"),
        ("max_usd: 0}", "must be greater than 0"),
        ("max_usd: -0.5", "must be greater than 0"),
    ):
        at = next(number for number, line in enumerate(lines, 1) if what in line)
        assert why in told[at]
    assert len(told) == 4
