"""Policies by id to a chain."""

import time

from policies import POLICIES
from policies.base import Context
from policies.redact.policy import Redact
from policies.token_cap import TokenCap
from proxy.config.chains import make_chain, policy_ids
from proxy.config.load import parse

CONFIG = """
providers: {openai: {api_key: k}}
models: {own: {target: openai/x, policies: [token_cap/t, redact/b, redact/a]}, none: {target: openai/x}}
default_policies: [redact/a]
policies:
  redact/a: {rules: [{name: a, words: [abc]}]}
  redact/b: {rules: [{name: b, words: [xyz]}]}
  token_cap/t: {max_chunks: 1, on_exceed: flag}
"""


def test_policies_stand_in_their_stages_order_and_redaction_is_one() -> None:
    config = parse(CONFIG)
    ids = policy_ids(config, config.models["own"])
    chain = make_chain(ids, config.policies, POLICIES, Context("own", time.monotonic))
    assert [type(policy) for policy in chain.policies] == [Redact, TokenCap]
    assert chain.guarded


def test_a_model_that_lists_none_has_the_default_policies() -> None:
    config = parse(CONFIG)
    assert list(policy_ids(config, config.models["none"])) == ["redact/a"]
    unguarded = make_chain(["token_cap/t"], config.policies, POLICIES, Context("none", time.monotonic))
    assert not unguarded.guarded


def test_counts_are_shown_to_a_chain_with_a_policy_that_acts_on_them() -> None:
    config = parse(CONFIG + "  cost_cap/c: {max_usd: 1}\n")
    context = Context("own", time.monotonic)
    heeding = {id: make_chain([id], config.policies, POLICIES, context).wants_usage for id in config.policies}
    assert heeding == {"redact/a": False, "redact/b": False, "token_cap/t": False, "cost_cap/c": True}
