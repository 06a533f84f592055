"""The fields that belong to the operator, compared with the installed LiteLLM."""

import inspect
from pathlib import Path
from typing import Any

import pytest
from openai.resources.chat.completions import AsyncCompletions

from proxy.formats.openai_chat.reserved import FAMILIES, NAMES, reserved
from proxy.providers.litellm import load

OF_OPENAIS_SDK = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}
PROVIDERS_SWITCHES = {"thinking", "context_management"}


@pytest.fixture(scope="module")
def litellms_names() -> set[str]:
    """Every keyword of `acompletion`, and every name that LiteLLM takes for one of its own."""
    litellm = load()
    from litellm.constants import DEFAULT_CHAT_COMPLETION_PARAM_VALUES
    from litellm.types.router import GenericLiteLLMParams
    from litellm.types.utils import all_litellm_params

    keywords: set[str] = {
        name
        for name, parameter in inspect.signature(litellm.acompletion).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }
    own: set[Any] = {*all_litellm_params, *GenericLiteLLMParams.model_fields, *DEFAULT_CHAT_COMPLETION_PARAM_VALUES}
    return {str(name) for name in keywords | own}


def openais_parameters() -> set[str]:
    return set(inspect.signature(AsyncCompletions.create).parameters) - OF_OPENAIS_SDK


@pytest.mark.filterwarnings("ignore")
def test_every_name_of_litellm_that_is_not_openais_is_refused(litellms_names: set[str]) -> None:
    passing = litellms_names - openais_parameters() - PROVIDERS_SWITCHES - set(reserved(litellms_names))
    assert passing == set(), "LiteLLM has new parameters: add them to proxy/formats/openai_chat/reserved.py"


@pytest.mark.filterwarnings("ignore")
def test_the_list_holds_nothing_that_litellm_no_longer_knows(litellms_names: set[str]) -> None:
    assert NAMES - litellms_names - OF_OPENAIS_SDK == set()


@pytest.mark.filterwarnings("ignore")
def test_names_that_litellm_reads_beside_its_lists_are_refused() -> None:
    source = (Path(str(load().__file__)).parent / "main.py").read_text()
    for name in ("mock_tool_calls", "mock_delay", "extra_body", "organization", "gigachat_auth_url", "azure_ad_token"):
        assert f'"{name}"' in source and reserved([name]) == [name]


def test_no_parameter_of_openai_is_refused() -> None:
    assert reserved(openais_parameters() | PROVIDERS_SWITCHES) == []


def test_a_name_stands_in_one_place_only() -> None:
    assert [name for name in NAMES if name.startswith(FAMILIES)] == []
