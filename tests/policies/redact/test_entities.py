import pytest

from policies.redact import Redactor
from policies.redact.entities import ENTITIES, SETS
from tests.policies.redact.entity_cases import NEGATIVE, POSITIVE
from tests.policies.redact.splits import check

REDACTORS = {name: Redactor([{"name": "x", "entity": name, "replace": "<X>"}]) for name in ENTITIES}
EVERYTHING = Redactor([{"name": name, "entity": name} for name in SETS])
NEIGHBOURS = [("", ""), ("is ", " ok"), ("是", "。"), ("(", "), ")]


@pytest.mark.parametrize(("entity", "text"), [(e, t) for e, texts in POSITIVE.items() for t in texts])
def test_entity_is_redacted_between_any_neighbours_and_however_it_is_cut(entity: str, text: str) -> None:
    for before, after in NEIGHBOURS:
        check(REDACTORS[entity], before + text + after, f"{before}<X>{after}")


@pytest.mark.parametrize(("entity", "text"), [(e, t) for e, texts in NEGATIVE.items() for t in texts])
def test_text_that_only_looks_alike_passes(entity: str, text: str) -> None:
    for before, after in (("", ""), ("is ", " ok")):
        check(REDACTORS[entity], before + text + after, before + text + after)


def test_credentials_in_a_url_leave_scheme_and_host_readable() -> None:
    check(
        REDACTORS["url_credentials"], "git clone https://bob:s3cr:et@ex.com/r.git", "git clone https://<X>ex.com/r.git"
    )


def test_every_entity_has_cases_of_both_kinds() -> None:
    assert set(POSITIVE) | {"url_credentials"} == set(NEGATIVE) == set(ENTITIES)


@pytest.mark.parametrize("name", SETS)
def test_a_set_labels_each_entity_by_its_own_name(name: str) -> None:
    redactor = Redactor([{"name": "all", "entity": name}])
    assert [rule.label for rule in redactor.rules] == [f"[{entity.upper()}]" for entity in SETS[name]]


@pytest.mark.parametrize(("entity", "text"), [(e, t) for e in SETS["secrets"] for t in POSITIVE.get(e, ())])
def test_all_sets_together_leave_nothing_of_a_secret(entity: str, text: str) -> None:
    out = EVERYTHING.apply(f"key: {text}\n")
    assert not any(text[i : i + 8] in out for i in range(len(text) - 7))
