"""Validation of a generateContent request as by Gemini, with its messages where known.

It is as strict as the real API where a gateway can go wrong: unknown members at any checked level, empty contents,
parts without data, function responses that do not fit their calls. Member names may be in camel or snake case, as in
all of Google's JSON.
"""

import base64
import re
from typing import Any

from proxy.simulator.formats.base import require, words

_KNOWN = words(
    "contents tools toolConfig safetySettings systemInstruction generationConfig cachedContent model serviceTier store"
)
_GENERATION = words(
    "stopSequences responseMimeType responseSchema responseJsonSchema responseFormat responseModalities candidateCount "
    "maxOutputTokens temperature topP topK seed presencePenalty frequencyPenalty responseLogprobs logprobs "
    "enableEnhancedCivicAnswers speechConfig thinkingConfig imageConfig mediaResolution"
)
_DATA = words(
    "text inlineData fileData functionCall functionResponse executableCode codeExecutionResult toolCall toolResponse"
)
_PART = _DATA | {"thought", "thoughtSignature", "partMetadata", "videoMetadata", "mediaResolution"}
_TURN = frozenset({"role", "parts"})
_MAX_CANDIDATES = 8


def camel_keys(value: dict[str, Any]) -> dict[str, Any]:
    """Return the object with its own member names in camel case."""
    return {re.sub(r"_([a-z])", lambda found: found[1].upper(), name).lstrip("_"): v for name, v in value.items()}


def generation(body: dict[str, Any]) -> dict[str, Any]:
    """Return the request's generation settings, with names in camel case."""
    return camel_keys(body.get("generationConfig") or {})


def check(body: Any) -> None:
    """Raise `Refused` (400) for a request that the API rejects."""
    require(isinstance(body, dict), "Invalid JSON payload received. Send a JSON object.")
    body = camel_keys(body)
    _known(body, _KNOWN, "")
    contents = body.get("contents")
    require(contents, "* GenerateContentRequest.contents: contents is not specified\n")
    require(isinstance(contents, list), "Invalid value at 'contents': expected a list.")
    for at, turn in enumerate(contents):
        _check_turn(turn, f"contents[{at}]")
    if body.get("systemInstruction") is not None:
        _check_turn(body["systemInstruction"], "system_instruction", roles=None)
    _check_generation(generation(body))
    _check_tools(body.get("tools"))
    _check_responses(contents)


def _known(value: dict[str, Any], names: frozenset[str], at: str) -> None:
    where = f" at '{at}'" if at else ""
    for name in value:
        require(name in names, f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.')


def _check_turn(turn: Any, at: str, roles: tuple[str, ...] | None = ("user", "model", "function")) -> None:
    require(isinstance(turn, dict), f"Invalid value at '{at}': expected an object.")
    _known(turn, _TURN, at)
    known = roles is None or turn.get("role", "user") in roles
    require(known, "Please use a valid role: user, model.")
    parts = turn.get("parts")
    require(isinstance(parts, list) and parts, f"* GenerateContentRequest.{at}.parts: must not be empty.\n")
    for index, part in enumerate(parts or []):
        where = f"{at}.parts[{index}]"
        require(isinstance(part, dict), f"Invalid value at '{where}': expected an object.")
        part = camel_keys(part)
        _known(part, _PART, where)
        held = _DATA & part.keys()
        require(
            len(held) == 1,
            f"* GenerateContentRequest.{where}.data: required oneof field 'data' must have one initialized field\n",
        )
        _check_signature(part.get("thoughtSignature"), where)


def _check_signature(signature: Any, at: str) -> None:
    if signature is None:
        return
    try:
        base64.b64decode(signature, validate=True)
    except (TypeError, ValueError):
        require(False, f"Invalid value at '{at}.thought_signature' (TYPE_BYTES), Base64 decoding failed.")


def _check_generation(settings: dict[str, Any]) -> None:
    _known(settings, _GENERATION, "generation_config")
    count = settings.get("candidateCount", 1)
    fits = isinstance(count, int) and 1 <= count <= _MAX_CANDIDATES
    require(fits, f"* GenerateContentRequest.generation_config.candidate_count: must be from 1 to {_MAX_CANDIDATES}\n")
    limit = settings.get("maxOutputTokens")
    require(limit is None or (isinstance(limit, int) and limit >= 1), "max_output_tokens must be positive.")
    temperature = settings.get("temperature")
    fits = temperature is None or (isinstance(temperature, int | float) and 0 <= temperature <= 2)
    require(fits, "* GenerateContentRequest.generation_config.temperature: must be in the range [0.0, 2.0]\n")


def _check_tools(tools: Any) -> None:
    require(tools is None or isinstance(tools, list), "Invalid value at 'tools': expected a list.")
    for at, tool in enumerate(tools or []):
        require(isinstance(tool, dict), f"Invalid value at 'tools[{at}]': expected an object.")
        for index, declared in enumerate(camel_keys(tool).get("functionDeclarations") or []):
            where = f"tools[{at}].function_declarations[{index}]"
            named = isinstance(declared, dict) and isinstance(declared.get("name"), str) and declared["name"]
            require(named, f"* GenerateContentRequest.{where}.name: Invalid function name.\n")


def _check_responses(contents: list[dict[str, Any]]) -> None:
    """Check that a turn with as many responses follows a turn with function calls."""
    calls = 0
    for turn in contents:
        parts = [camel_keys(part) for part in turn["parts"]]
        responses = sum("functionResponse" in part for part in parts)
        require(
            responses == calls,
            "Please ensure that the number of function response parts is equal to the number of function call parts of "
            "the function call turn.",
        )
        calls = sum("functionCall" in part for part in parts)
    require(not calls, "Please ensure that function call turn comes immediately before a function response turn.")
