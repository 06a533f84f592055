"""The configuration's models by themselves."""

import pytest
from pydantic import SecretStr, ValidationError

from proxy.config.models import Config, Key, Model, Provider, Server


def test_everything_but_providers_and_models_has_a_default() -> None:
    config = Config(providers={"openai": Provider()}, models={"m": Model(target="openai/x")})
    assert (config.server.host, config.server.port, config.auth, config.simulator) == ("127.0.0.1", 8080, None, None)
    assert (config.timeouts.connect, config.timeouts.first_token, config.timeouts.idle) == (5, 60, 30)
    assert (config.timeouts.write, config.timeouts.total, config.server.max_body_mb) == (30, 600, 20)


def test_a_model_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Server().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "holder",
    [
        Key(name="a", key=SecretStr("the-secret")),
        Provider(api_key=SecretStr("the-secret"), options={"aws_secret_access_key": "the-secret"}),
    ],
)
def test_secrets_show_in_no_repr(holder: object) -> None:
    assert "the-secret" not in repr(holder) and "the-secret" not in str(holder)
