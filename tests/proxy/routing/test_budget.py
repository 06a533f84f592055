"""The retry budget."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.routing.budget import MAX, Budget


def test_at_the_start_there_are_a_few_retries() -> None:
    budget = Budget(0.2)
    assert [budget.spend() for _ in range(int(MAX) + 1)] == [True] * int(MAX) + [False]


def test_requests_earn_their_share_of_a_retry() -> None:
    budget = Budget(0.25)
    while budget.spend():
        pass
    for _ in range(4):
        assert not budget.spend()
        budget.earn()
    assert budget.spend() and not budget.spend()


@given(st.lists(st.booleans(), max_size=300), st.floats(0.01, 1))
def test_retries_are_never_more_than_the_share_and_what_there_was_at_the_start(earns: list[bool], share: float) -> None:
    budget, requests, retries = Budget(share), 0, 0
    for earn in earns:
        if earn:
            budget.earn()
            requests += 1
        else:
            retries += budget.spend()
    assert retries <= MAX + share * requests + 1e-6
