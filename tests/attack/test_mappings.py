"""Each provider's mapping converts or rejects any value in any place of a request."""

import copy
import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.steps import finished
from proxy.errors import GatewayError
from proxy.formats.json_body import parse_body
from proxy.formats.openai_chat.operation import CHAT
from proxy.formats.openai_chat.validate import validate
from proxy.providers import litellm
from proxy.providers.mapping.arguments import arguments
from proxy.providers.requests import prepare
from proxy.routing.capabilities import needs
from tests.attack.odd import odd
from tests.proxy.providers.calls import call

MODELS = {
    "openai": ("gpt-4o",),
    "anthropic": ("claude-sonnet-4-5", "claude-3-haiku-20240307", "unknown"),
    "gemini": ("gemini-2.5-flash", "gemini-1.5-pro", "gemma-3-27b-it", "unknown"),
}


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    litellm.warm(["anthropic", "gemini"])


@pytest.mark.parametrize("api", MODELS)
@given(random=st.randoms(use_true_random=False))
def test_odd_requests_are_mapped_or_refused_and_stay_as_they_are(api: str, random: Random) -> None:
    raw = json.dumps({"model": "alias", **odd(random)}).encode()
    try:
        body = dict(finished(validate(finished(parse_body(raw)))).body)
    except GatewayError as error:
        assert error.status == 400
        return
    needs(CHAT, body, len(raw))
    before = copy.deepcopy(body)
    settings = {"drop_params": random.random() < 0.7}
    for make in (prepare, arguments):
        try:
            make(call(api, body, model=random.choice(MODELS[api]), settings=settings))
        except GatewayError as error:
            assert error.status == 400 and error.code != "unmappable_request"
    assert body == before
