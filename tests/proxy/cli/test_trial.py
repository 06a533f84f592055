"""`sluice try`: the client's text, and the report."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from proxy.cli.commands import main
from tests.proxy.cli.test_recording import ANTHROPIC, RECORDED, block, sse

CONFIG = """
providers: {openai: {api_key: k}, anthropic: {api_key: k}}
models:
  all: {target: openai/gpt-4o-mini}
  capped: {target: anthropic/claude-sonnet-4-5, policies: [token_cap/two]}
  dear: {target: openai/gpt-4o-mini, policies: [cost_cap/cent]}
  json: {target: openai/gpt-4o-mini, policies: [json_guard/strict]}
  open: {target: openai/gpt-4o-mini, policies: []}
default_policies: [redact/a, redact/b]
policies:
  redact/a: {rules: [{name: email, entity: email}, {name: card, entity: credit_card, mask: "*", keep_last: 4}]}
  redact/b: {rules: [{name: bomb, words: [bomb], action: block}, {name: hm, words: [hm], mode: shadow}]}
  redact/asked: {direction: request, rules: [{name: email, entity: email}, {name: x, words: [never], action: block}]}
  token_cap/two: {max_tokens: 2}
  cost_cap/cent: {max_usd: 0.0000001}
  json_guard/strict: {}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    return file


def tried(config: Path, *arguments: str, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(main, ["try", "--config", str(config), *arguments], input=stdin)


def as_json(config: Path, *arguments: str, **given: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(tried(config, *arguments, "--json", **given).stdout)
    return told


@pytest.mark.parametrize("how", [(), ("--chunk", "1"), ("--chunk", "100"), ("--random",)])
def test_standard_output_is_what_the_client_gets_however_the_text_is_cut(config: Path, how: tuple[str, ...]) -> None:
    result = tried(config, "--policy", "redact/a", *how, "Mail amy@corp.tw or pay 4111 1111 1111 1111.")
    assert (result.exit_code, result.stdout) == (0, "Mail [EMAIL] or pay ***************1111.\n")


@pytest.mark.parametrize("way", ["argument", "file", "pipe"])
def test_the_text_comes_from_anywhere(config: Path, way: str) -> None:
    text, file = "寫信到 amy@corp.tw\n第二行", config.parent / "answer.txt"
    file.write_text(text)
    arguments = {"argument": [text], "file": ["--file", str(file)], "pipe": []}[way]
    result = tried(config, "--policy", "redact/a", *arguments, stdin=text if way == "pipe" else "")
    assert result.stdout == "寫信到 [EMAIL]\n第二行\n"


def test_matches_are_told_with_policy_rule_and_place(config: Path) -> None:
    told = as_json(config, "--model", "all", "--chunk", "3", "hm, amy@corp.tw!")
    assert told["texts"] == {"content": "hm, [EMAIL]!"}
    assert told["matches"] == [
        {"policy": "redact/b", "rule": "hm", "action": "would_redact"}
        | {"choice": 0, "channel": "content", "start": 0, "end": 2},
        {"policy": "redact/a", "rule": "email", "action": "redact"}
        | {"choice": 0, "channel": "content", "start": 4, "end": 15},
    ]
    assert told["held"]["most"] == 11 and told["held"]["steps"][-1] == 0
    assert told["finish"] == [{"choice": 0, "reason": "stop", "stopped_by": None}]


def test_a_report_for_people_goes_to_standard_error(config: Path) -> None:
    said = tried(config, "--model", "all", "Mail amy@corp.tw").stderr
    assert "email  redact/a  redact  content 5-16" in said
    assert "At most 11 characters were held" in said and "finish_reason stop" in said


def test_a_block_is_told(config: Path) -> None:
    result = tried(config, "--model", "all", "This is a bomb and more of it")
    assert result.stdout == "This is a \n"
    assert "finish_reason content_filter, stopped by redact/b" in result.stderr
    assert "were not read. The gateway would close the provider's connection" in result.stderr


def test_a_cap_stops_at_the_models_own_tokens(config: Path) -> None:
    told = as_json(config, "--model", "capped", "one two three four five")
    assert told["texts"]["content"] == "one two"
    assert told["finish"] == [{"choice": 0, "reason": "length", "stopped_by": "token_cap/two"}]
    assert told["notes"][0]["rule"] == "max_tokens" and told["unread_pieces"] > 0


def test_an_answer_that_is_cut_lets_nothing_half_matched_out(config: Path) -> None:
    result = tried(config, "--policy", "redact/a", "--cut", "Mail amy@cor")
    assert result.stdout == "Mail \n"
    assert "The client gets an error event and no [DONE]" in result.stderr


def test_steps_show_each_piece(config: Path) -> None:
    said = tried(config, "--policy", "redact/a", "--steps", "--chunk", "8", "Mail amy@corp.tw ok").stderr
    rows = [line.split("  ") for line in said.splitlines()[1:4]]
    assert [[cell.strip() for cell in row if cell.strip()] for row in rows] == [
        ["'Mail amy'", "'Mail '", "3"],
        ["'@corp.tw'", "-", "11"],
        ["' ok'", "'[EMAIL] '", "2"],
    ]


def test_half_a_surrogate_pair_in_a_recording_does_no_harm(config: Path) -> None:
    data = RECORDED["openai"].replace(b'"Hel"', b'"\\ud83d"')
    assert tried(config, "--model", "open", stdin=data).stdout == "?lo\n"
    assert as_json(config, "--model", "open", stdin=data)["texts"]["content"] == "\ud83dlo"


def test_without_policies_all_goes_at_once(config: Path) -> None:
    result = tried(config, "--model", "open", "amy@corp.tw")
    assert result.stdout == "amy@corp.tw\n"
    assert "No rule matched." in result.stderr and "Nothing was held" in result.stderr


@pytest.mark.parametrize("format", RECORDED)
def test_a_recorded_stream_is_played(config: Path, format: str) -> None:
    file = config.parent / "recorded.sse"
    file.write_bytes(RECORDED[format])
    for more in ([], ["--chunk", "1"], ["--format", format]):
        told = as_json(config, "--model", "all", "--file", str(file), *more)
        assert told["texts"]["content"] == "Hello"
        assert told["finish"] == [{"choice": 0, "reason": "stop", "stopped_by": None}]


def test_a_recordings_other_texts_are_told_apart(config: Path) -> None:
    thought = {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "a@b.cc?"}}
    start = {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1, "output_tokens": 1}}}
    result = tried(config, "--model", "all", stdin=sse(start, thought, block("Hi"), *ANTHROPIC[5:]))
    assert result.stdout.splitlines() == ["reasoning:", "[EMAIL]?", "content:", "Hi"]


def test_a_providers_error_in_a_recording_is_told(config: Path) -> None:
    data = sse({"choices": []}, {"error": {"message": "Overloaded, try later", "code": 503}})
    assert "Provider error: Overloaded, try later" in tried(config, "--model", "all", stdin=data).stderr


def test_a_json_request_is_guarded_as_one(config: Path) -> None:
    body = config.parent / "body.json"
    body.write_text(json.dumps({"messages": [], "response_format": {"type": "json_object"}}))
    told = as_json(config, "--model", "json", "--body", str(body), '{"a": oops}')
    assert told["texts"]["content"] == '{"a": '
    assert told["finish"][0] == {"choice": 0, "reason": "content_filter", "stopped_by": "json_guard/strict"}
    assert as_json(config, "--model", "json", '{"a": oops}')["texts"]["content"] == '{"a": oops}'


def test_a_policy_that_leaves_requests_alone_is_told(config: Path) -> None:
    result = tried(config, "--policy", "redact/a", "--policy", "redact/asked", "--request", "I am bo@corp.tw")
    assert result.stdout == "I am [EMAIL]\n"
    assert "redact/a has no rule with `direction: request` or `both`" in result.stderr
    assert "redact/asked has no rule" not in result.stderr
    assert "has no rule" not in tried(config, "--policy", "token_cap/two", "--request", "hi").stderr


def test_what_the_provider_would_get_of_a_request(config: Path) -> None:
    result = tried(config, "--policy", "redact/asked", "--request", "I am amy@corp.tw")
    assert result.stdout == "I am [EMAIL]\n"
    blocked = tried(config, "--policy", "redact/asked", "--request", "I never do")
    assert blocked.stdout == "" and "rejected with status 400" in blocked.stderr
    told = json.loads(tried(config, "--policy", "redact/asked", "--request", "--json", "a@b.cc").stdout)
    assert told["body"]["messages"] == [{"role": "user", "content": "[EMAIL]"}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--policy", "redact/c", "x"], "unknown policy 'redact/c'; did you mean 'redact/b'?"),
        (["--model", "al", "x"], "unknown model 'al'; did you mean 'all'?"),
        (
            ["--model", "all", "--file", "no-such-file"],
            "no-such-file cannot be read (No such file or directory): check",
        ),
        (["--model", "all", "--file", "/dev/zero"], "/dev/zero is a device: name a regular file, or a link to one"),
        (["--model", "all", "--body", "/dev/zero", "x"], "/dev/zero is a device"),
        (["--model", "dear", "x"], "a policy rejects the request: The prompt"),
        (["--policy", "cost_cap/cent", "x"], "has no price"),
        (["--model", "json", "--body", "config.yaml", "x"], "config.yaml is not JSON"),
    ],
)
def test_what_cannot_be_tried_is_said_with_what_to_do(config: Path, arguments: list[str], message: str) -> None:
    result = tried(config, *arguments)
    assert result.exit_code == 1 and message in result.stderr and result.stdout == ""


def test_a_configuration_that_is_wrong_is_told(config: Path) -> None:
    config.write_text(CONFIG.replace("max_tokens", "max_token"))
    result = tried(config, "--model", "all", "x")
    assert result.exit_code == 1 and "unknown key; did you mean 'max_tokens'?" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x"], "Give --policy or --model."),
        (["--policy", "a", "--model", "b", "x"], "Give either --policy or --model."),
        (["--model", "b", "--file", "f", "x"], "Give either TEXT or --file."),
        (["--model", "b", "--chunk", "3", "--random", "x"], "Give either --chunk or --random."),
        (["--model", "b", "--chunk", "0", "x"], "0 is not in the range x>=1"),
    ],
)
def test_a_command_given_wrongly_exits_with_2(config: Path, arguments: list[str], message: str) -> None:
    result = tried(config, *arguments)
    assert result.exit_code == 2 and message in result.stderr
