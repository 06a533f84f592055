"""Format a running gateway's JSON answers as lines for people.

All text from the network is escaped before it is shown.
"""

from collections.abc import Mapping
from typing import Any

from proxy.cli.terminal import bad, bold, columns, counted, faint, fitted, good, late, shown

_MAX_STREAMS = 50
_WIDEST = 36
_JUST = 60
"""Seconds for which an automatic reload is reported as recent."""
_OPENED = "auth was taken out: anyone on this machine may now use and administer the gateway"


def status(body: Mapping[str, Any]) -> list[str]:
    """Format `GET /admin/status`: the configuration, targets, totals and streams in flight."""
    lines = [*_configuration(body["config"])]
    if body["draining"]:
        lines.append(late("draining: the process is shutting down"))
    return [*lines, "", *_totals(body["totals"]), "", *_targets(body["targets"]), "", *_streams(body["streams"])]


def report(body: Mapping[str, Any]) -> list[str]:
    """Format `GET /admin/report`: a row for each rule and its counts."""
    head = f"{counted(body['requests'], 'request')} since {_text(body['since'])}"
    if not body["rules"]:
        return [head, faint("  no rule has acted yet")]
    rows = [tuple(map(bold, ("POLICY", "RULE", "MODE", "ACTION", "TIMES", "REQUESTS", "LAST")))]
    for rule in body["rules"]:
        shadow = rule["mode"] == "shadow"
        action = f"would_{rule['action']}" if shadow else rule["action"]
        name = _text(rule["rule"] or "-")
        rows.append(
            (
                _text(rule["policy"]),
                name,
                late("shadow") if shadow else "enforce",
                _text(action),
                str(rule["times"]),
                str(rule["requests"]),
                _text(rule["last"] or "-"),
            )
        )
    return [head, *columns(rows, right=(4, 5))]


def reload(body: Mapping[str, Any]) -> list[str]:
    """Format `POST /admin/reload`: the result for the file."""
    config = body["config"]
    match body["result"]:
        case "loaded":
            return [good(f"loaded: new requests begin with {_text(config['version'])}"), *_to_do(config)]
        case "unchanged":
            return [good(_in_use(config)), *_to_do(config)]
    problems = [f"  {shown(problem)}" for problem in body.get("problems", ())]
    return [bad(f"refused: {_text(config['version'])} stays in use"), *problems]


def _in_use(config: Mapping[str, Any]) -> str:
    version = _text(config["version"])
    if config["loaded_by"] == "watch" and config["age_s"] < _JUST:
        return f"in use: {version}, taken by itself {config['age_s']:.0f} s ago"
    return f"in use already: {version}, since {_text(config['loaded_at'])}"


def _configuration(config: Mapping[str, Any]) -> list[str]:
    version = _text(config["version"]) or "(not from a file)"
    lines = [f"{bold('CONFIG')}  {version}, since {_text(config['loaded_at'])}"]
    if config["refusals"] or config["loads"]:
        lines[0] += faint(f"  ({counted(config['loads'], 'reload')}, {config['refusals']} refused)")
    refused = config["refused"]
    if refused:
        lines.append(bad(f"  the newest file was refused at {_text(refused['at'])}:"))
        lines += [f"    {shown(problem)}" for problem in refused["problems"]]
    if config["watch_trouble"]:
        lines.append(late(f"  changes are noticed late: {shown(config['watch_trouble'])}"))
    return [*lines, *_to_do(config)]


def _to_do(config: Mapping[str, Any]) -> list[str]:
    """List the tasks that the configuration in use leaves to the operator."""
    opened = [late(f"  {_OPENED}")] if config["auth_taken_out"] else []
    restart = [
        late(f"  {_text(name)} was changed: it takes effect after a restart") for name in config["needs_restart"]
    ]
    return [*opened, *restart]


def _totals(totals: Mapping[str, Any]) -> list[str]:
    outcomes = ", ".join(f"{count} {_text(name)}" for name, count in totals["outcomes"].items())
    tokens = f"{totals['prompt_tokens']} prompt and {totals['completion_tokens']} completion tokens"
    return [
        f"{bold('TOTALS')}  {counted(totals['requests'], 'request')} since {_text(totals['since'])}"
        + (f": {outcomes}" if outcomes else ""),
        f"        {tokens}{_cost(totals)}",
    ]


def _cost(totals: Mapping[str, Any]) -> str:
    """Format the known cost. Requests without a price are not counted as zero."""
    unpriced = totals["unpriced"]
    known = [f"{totals['cost_usd']:.4f} USD"] if totals["cost_usd"] or not unpriced else []
    requests = "request" if unpriced == 1 else "requests"
    return ", ".join(["", *known, *([f"cost unknown for {unpriced} {requests}"] if unpriced else [])])


def _targets(targets: list[Mapping[str, Any]]) -> list[str]:
    if not targets:
        return [f"{bold('TARGETS')}  {faint('none used yet')}"]
    rows = [tuple(map(bold, ("TARGET", "STATE", "RUNNING", "FAILURES", "FIRST TOKEN")))]
    for target in targets:
        paused = len(target["paused_keys"])
        state = late(f"up but for {counted(paused, 'key')}") if paused else good("up")
        if target["state"] != "up":
            state = bad(f"{_text(target['state'])} {target['opens_in_s']:.0f} s")
        most = target["max_streams"]
        running = str(target["running"]) if most is None else f"{target['running']} of {most}"
        first = target["first_token_s"]
        latency = "-" if first is None else f"{first * 1000:.0f} ms"
        rows.append((_text(target["name"]), state, running, str(target["failures"]), latency))
    return columns(rows, right=(2, 3, 4), indent="")


def _streams(streams: Mapping[str, Any]) -> list[str]:
    listed = streams["list"]
    waiting = f", {streams['waiting']} waiting for a slot" if streams["waiting"] else ""
    head = f"{bold('STREAMS')}  {streams['in_flight']} of {streams['most']} in flight{waiting}"
    if not listed:
        return [head]
    rows = [tuple(map(bold, ("ID", "KEY", "MODEL", "TARGET", "TRY", "AGE", "TOKENS", "T/S", "HELD")))]
    rows += [_stream(stream) for stream in listed[:_MAX_STREAMS]]
    more = streams["in_flight"] - min(len(listed), _MAX_STREAMS)
    return [head, *columns(rows, right=(4, 5, 6, 7, 8)), *([faint(f"  … and {more} more")] if more > 0 else [])]


def _stream(stream: Mapping[str, Any]) -> tuple[str, ...]:
    rate = stream["tokens_per_s"]
    return (
        shown(stream["id"]),
        _text(stream["key"] or "-"),
        _text(stream["model"]),
        _text(stream["target"] or "-"),
        str(stream["attempts"]),
        f"{stream['age_s']:.0f} s",
        faint("waiting") if stream["state"] == "waiting" else str(stream["tokens"]),
        "-" if rate is None else f"{rate:.0f}",
        str(stream["held"]),
    )


def _text(value: object) -> str:
    return fitted(str(value), _WIDEST)
