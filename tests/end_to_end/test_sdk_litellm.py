"""OpenAI's SDK works through LiteLLM's engine: the native engine's tests, for the features of both.

Tools and JSON answers are in test_sdk_tools.py.
"""

from collections.abc import AsyncIterator

import pytest

from tests.end_to_end.running import CONFIG, Running, running
from tests.end_to_end.test_openai_sdk import (
    client,
    test_a_limit_ends_the_answer_with_length,
    test_a_provider_without_choices_says_so,
    test_a_stream_is_what_the_sdk_expects,
    test_images_go_up_as_they_were_sent,
    test_sampling_and_stops_reach_the_provider,
    test_several_choices_stay_apart,
    test_usage_is_on_the_record_also_when_the_client_did_not_ask,
)

pytestmark = pytest.mark.anyio

__all__ = [
    "client",
    "test_a_limit_ends_the_answer_with_length",
    "test_a_provider_without_choices_says_so",
    "test_a_stream_is_what_the_sdk_expects",
    "test_images_go_up_as_they_were_sent",
    "test_sampling_and_stops_reach_the_provider",
    "test_several_choices_stay_apart",
    "test_usage_is_on_the_record_also_when_the_client_did_not_ask",
]


@pytest.fixture(scope="module")
async def shared(litellm_used: None) -> AsyncIterator[Running]:
    async with running(CONFIG.replace('/*"}}', '/*", engine: litellm}}')) as run:
        yield run
