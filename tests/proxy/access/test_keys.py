"""Authentication of clients."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from proxy.access.keys import ANONYMOUS, Keyring
from proxy.config.models import Auth, Key
from proxy.errors import Unauthorized

TEAM = Key(name="team-a", key=SecretStr("team-a-key-1"), models=("gpt-*", "claude"))
OPS = Key(name="ops", sha256=hashlib.sha256(b"ops-key-123").hexdigest().upper(), admin=True)
RING = Keyring(Auth(keys=(TEAM, OPS)))

Headers = list[tuple[bytes, bytes]]


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ([(b"authorization", b"Bearer team-a-key-1")], "team-a"),
        ([(b"authorization", b"bearer team-a-key-1")], "team-a"),
        ([(b"authorization", b"BEARER   team-a-key-1  ")], "team-a"),
        ([(b"authorization", b"Bearer ops-key-123")], "ops"),
        ([(b"x-api-key", b"team-a-key-1")], "team-a"),
        ([(b"host", b"x"), (b"x-api-key", b" ops-key-123 ")], "ops"),
        ([(b"x-api-key", b"wrong"), (b"authorization", b"Bearer team-a-key-1")], "team-a"),
    ],
)
def test_a_known_key_is_identified(headers: Headers, name: str) -> None:
    assert RING.identify(headers).name == name


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ([], "No API key was sent"),
        ([(b"host", b"x")], "No API key was sent"),
        ([(b"authorization", b"Bearer wrong-key-1")], "does not know this API key"),
        ([(b"authorization", b"Bearer team-a-key-")], "does not know this API key"),
        ([(b"authorization", b"Bearer team-a-key-12")], "does not know this API key"),
        ([(b"authorization", b"Bearer TEAM-A-KEY-1")], "does not know this API key"),
        ([(b"x-api-key", b"Bearer")], "does not know this API key"),
        ([(b"authorization", b"")], "cannot be read"),
        ([(b"authorization", b"Bearer")], "cannot be read"),
        ([(b"authorization", b"Bearer ")], "cannot be read"),
        ([(b"authorization", b"Basic dGVhbS1hLWtleS0x")], "cannot be read"),
        ([(b"authorization", b"team-a-key-1")], "cannot be read"),
        ([(b"authorization", b"Bearer team-a key-1")], "cannot be read"),
        ([(b"authorization", "Bearer schlüssel-1".encode())], "cannot be read"),
        ([(b"authorization", b"Bearer \xff\xfe\x00key")], "cannot be read"),
        ([(b"authorization", b"Bearer " + b"x" * 4097)], "cannot be read"),
        ([(b"authorization", b"Bearer team-a-key-1"), (b"authorization", b"Bearer team-a-key-1")], "cannot be read"),
        ([(b"authorization", b"Basic x"), (b"x-api-key", b"team-a-key-1")], "cannot be read"),
        ([(b"x-api-key", b"team-a-key-1"), (b"x-api-key", b"team-a-key-1")], "cannot be read"),
        # the digest of a key is not the key
        (
            [(b"authorization", b"Bearer " + hashlib.sha256(b"ops-key-123").hexdigest().encode())],
            "does not know this API key",
        ),
    ],
)
def test_any_other_key_is_401_and_is_not_repeated(headers: Headers, message: str) -> None:
    with pytest.raises(Unauthorized) as refusal:
        RING.identify(headers)
    assert (refusal.value.status, refusal.value.code) == (401, "invalid_api_key")
    assert message in refusal.value.message
    assert "wrong" not in refusal.value.message and "team-a-key" not in refusal.value.message


@pytest.mark.parametrize("key", [b"team-a-key-1", b"ops-key-123"])
def test_every_key_is_compared_in_constant_time_whatever_was_found(key: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    real = hmac.compare_digest

    def compare(known: bytes, given: bytes) -> bool:
        compared.append(known)
        return real(known, given)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    RING.identify([(b"authorization", b"Bearer " + key)])
    assert len(compared) == 2


def test_without_auth_everyone_is_the_anonymous_admin() -> None:
    ring = Keyring(None)
    assert ring.identify([(b"authorization", b"nonsense")]) is ANONYMOUS
    assert ANONYMOUS.admin and ANONYMOUS.may_use("anything/at-all")


@pytest.mark.parametrize(
    ("globs", "model", "expected"),
    [
        (("*",), "gpt-4o", True),
        (("gpt-*",), "gpt-4o", True),
        (("gpt-*",), "claude", False),
        (("gpt-*",), "GPT-4o", False),
        (("gpt-*", "claude"), "claude", True),
        (("claude",), "claude-2", False),
        (("local/*",), "local/meta/llama", True),
        (("gpt-?",), "gpt-4", True),
        (("gemini-2.5-*",), "gemini-2.5-flash", True),
        (("gemini-2.5-*",), "gemini-*", False),
    ],
)
def test_a_key_may_use_the_models_of_its_globs(globs: tuple[str, ...], model: str, expected: bool) -> None:
    ring = Keyring(Auth(keys=(Key(name="k", key=SecretStr("key-of-eight"), models=globs),)))
    assert ring.identify([(b"x-api-key", b"key-of-eight")]).may_use(model) is expected


def test_keys_and_digests_show_in_no_repr() -> None:
    shown = repr(RING) + repr(RING.identify([(b"x-api-key", b"team-a-key-1")])) + repr(Keyring(None))
    assert "team-a-key-1" not in shown
    assert hashlib.sha256(b"team-a-key-1").hexdigest() not in shown
    assert repr(RING) == "Keyring(2 keys)"


@given(st.lists(st.tuples(st.sampled_from([b"authorization", b"x-api-key"]), st.binary(max_size=60)), max_size=3))
def test_no_headers_do_anything_but_401(headers: Headers) -> None:
    with pytest.raises(Unauthorized):
        RING.identify(headers)
