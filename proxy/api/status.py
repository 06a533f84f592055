"""What operators see of a running gateway, as JSON: `GET /admin/status` and `GET /admin/report`.

Rule: numbers and names alone. No text of a prompt or answer, no key, no address.
"""

import time
from typing import Any

from policies.redact.config import RedactConfig
from proxy.accounting.totals import MAX_RULES, Counts, Rule
from proxy.gateway import Gateway
from proxy.reload.state import State
from proxy.routing.targets import Health
from proxy.streaming.registry import InFlight

MAX_SHOWN = 1000
"""Streams and targets of one answer."""


def status(gateway: Gateway, state: State, shown: int = MAX_SHOWN) -> dict[str, Any]:
    """The configuration, at most `shown` requests in flight (the oldest), totals, targets."""
    streams, now = gateway.streams, time.monotonic()
    return {
        "draining": streams.draining,
        "config": configuration(gateway.version.id, state),
        "streams": {
            "in_flight": len(streams),
            "waiting": streams.slots.waiting,
            "most": streams.slots.most,
            "list": [_stream(request, now) for request in list(streams)[:shown]],
        },
        "totals": _totals(gateway),
        "targets": [_target(name, health, gateway) for name, health in gateway.targets.seen()[:MAX_SHOWN]],
    }


def configuration(version: str, state: State) -> dict[str, Any]:
    """The version in use and what became of the newest file. Times are UTC."""
    refused = state.refused
    return {
        "version": version,
        "loaded_at": utc(state.loaded_at),
        "loaded_by": state.loaded_by,
        "age_s": round(max(time.time() - state.loaded_at, 0.0), 1),
        "loads": state.loads,
        "refusals": state.refusals,
        "refused": refused and {"at": utc(refused.at), "problems": list(refused.problems)},
        "auth_taken_out": state.opened,
        "needs_restart": list(state.pending),
        "watch_trouble": state.trouble,
    }


def report(gateway: Gateway) -> dict[str, Any]:
    """How often each rule acted since the start, and would have in shadow mode; 0 for the redact rules of the version
    in use that found nothing, an entity set's as one."""
    tally = gateway.tally
    found = sorted(tally.rules.items())
    return {
        "since": utc(tally.since),
        "requests": tally.requests,
        "rules": [
            {
                "policy": policy,
                "rule": rule or None,
                "action": action.removeprefix("would_"),
                "mode": "shadow" if action.startswith("would_") else "enforce",
                "times": counts.times,
                "requests": counts.requests,
                "last": utc(counts.last) if counts.times else None,
            }
            for (policy, rule, action), counts in [*found, *_quiet(gateway)][:MAX_RULES]
        ],
    }


def _quiet(gateway: Gateway) -> list[tuple[Rule, Counts]]:
    """The rules, as they are written, of which none has acted: neither they nor one of the set that they name."""
    acted = set(gateway.tally.rules)
    acted |= {(policy, rule.rpartition(".")[0], action) for policy, rule, action in acted}
    redact = [(id, config) for id, config in gateway.config.policies.items() if isinstance(config, RedactConfig)]
    written = [(id, name, action) for id, config in redact for name, action in config.listed]
    return [(rule, Counts()) for rule in written if rule not in acted]


def utc(seconds: float) -> str:
    """A time since the epoch as ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _stream(request: InFlight, now: float) -> dict[str, Any]:
    record, progress = request.record, request.progress()
    age = now - record.arrived
    streaming = 0.0 if record.first_event is None else age - record.first_event
    return {
        "id": record.id,
        "key": record.client,
        "model": record.model,
        "target": record.target,
        "stream": record.stream,
        "config": record.version,
        "state": "waiting" if record.first_event is None else "answering",
        "attempts": record.attempts,
        "age_s": round(age, 3),
        "tokens": progress.tokens,
        "bytes": progress.bytes,
        "held": progress.held,
        "tokens_per_s": round(progress.tokens / streaming, 1) if streaming >= 0.1 else None,
    }


def _totals(gateway: Gateway) -> dict[str, Any]:
    tally = gateway.tally
    return {
        "since": utc(tally.since),
        "requests": tally.requests,
        "attempts": tally.attempts,
        "outcomes": dict(tally.outcomes.most_common()),
        "prompt_tokens": tally.prompt_tokens,
        "completion_tokens": tally.completion_tokens,
        "cost_usd": round(tally.cost, 6),
        "unpriced": tally.unpriced,
    }


def _target(name: str, health: Health, gateway: Gateway) -> dict[str, Any]:
    opens_in = health.breaker.opens_in()
    rests = health.rests_until - gateway.targets.clock()
    mean, slots = health.latency.mean, health.slots
    return {
        "name": name,
        "state": "cooling" if opens_in > 0 else "resting" if rests > 0 else "up",
        "opens_in_s": round(max(opens_in, rests, 0.0), 1),
        "failures": health.breaker.failures,
        "paused_keys": sorted(health.breaker.paused()),
        "running": health.running,
        "max_streams": slots and slots.most,
        "waiting": slots.waiting if slots is not None else 0,
        "first_token_s": mean if mean is None else round(mean, 4),
    }
