"""The reason of an unreachable provider: the system's own words, and nothing else of an exception."""

import errno
import socket
import ssl

import pytest

from proxy.providers.unreachable import MAX_CAUSES, reason

SECRET = "http://user:password@proxy.example"


def verification() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, SECRET)
    error.verify_message = "certificate has expired"
    return error


REASONS: list[tuple[BaseException, str]] = [
    (ConnectionRefusedError(errno.ECONNREFUSED, SECRET), "ECONNREFUSED (Connection refused)"),
    (OSError(errno.EHOSTUNREACH, SECRET), "EHOSTUNREACH (No route to host)"),
    (socket.gaierror(socket.EAI_NONAME, SECRET), "DNS: EAI_NONAME (the name is not known)"),
    (verification(), "certificate: certificate has expired"),
    (OSError(SECRET), ""),
    (ssl.SSLError(1, SECRET), ""),
    (ValueError(SECRET), ""),
]


@pytest.mark.parametrize(("error", "said"), REASONS, ids=[str(i) for i in range(len(REASONS))])
def test_a_reason_is_a_name_and_fixed_words(error: BaseException, said: str) -> None:
    assert reason(error) == said
    outer = ValueError(SECRET)
    outer.__cause__ = error
    assert reason(outer) == reason(ExceptionGroup("all", [outer])) == said


def test_of_many_exceptions_some_are_looked_at() -> None:
    error: BaseException = OSError(errno.ECONNRESET, "x")
    for _ in range(MAX_CAUSES):
        outer = ValueError()
        outer.__cause__ = error
        error = outer
    assert reason(error) == ""


def test_openssls_reason_is_told() -> None:
    said, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    said.write(b"HTTP/1.1 400 Bad Request\r\n")
    client = ssl.create_default_context().wrap_bio(said, sent, server_hostname="example.com")
    with pytest.raises(ssl.SSLError) as failed:
        client.do_handshake()
    assert reason(failed.value) == "TLS: WRONG_VERSION_NUMBER"
