"""Entities of access: keys, tokens, passwords in URLs.

A key of a known form is certain as soon as it has the minimum length of its kind. All following characters of the same
alphabet are swallowed with it. A longer key therefore never leaks its tail, and nothing waits for its end.

Sources: the providers' own documentation of prefixes, and gitleaks' and detect-secrets' rules for lengths.
"""

from typing import Final

from policies.redact.entities.checksums import random_key
from policies.redact.entities.entity import Entity

_LEFT: Final = r"(?<![A-Za-z0-9])"
_KEY_KIND: Final = r"(?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?"

SECRETS: Final[dict[str, Entity]] = {
    # After a slash, so that the URL's scheme and host stay readable.
    "url_credentials": Entity(r"(?<=/)[^\s:/?#@\"'<>]{1,64}:[^\s/?#@\"'<>]{1,128}@"),
    "jwt": Entity(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}"),
    # Certain with the BEGIN line. A dash is of the body (its headers) only before a letter or digit, which the dashes
    # of the END line are not. `\\` is there for keys printed with \n in them.
    "private_key": Entity(
        rf"-----BEGIN {_KEY_KIND}-----(?:[A-Za-z0-9+/=\s:,.()@<>\\]|-(?=[A-Za-z0-9]))*(?:-----END {_KEY_KIND}-----)?"
        rf"|---- BEGIN SSH2 (?:ENCRYPTED )?PRIVATE KEY ----[A-Za-z0-9+/=\s:,.()@<>\\\"]*"
        rf"(?:---- END SSH2 (?:ENCRYPTED )?PRIVATE KEY ----)?"
    ),
    "anthropic_key": Entity(rf"{_LEFT}sk-ant-[A-Za-z0-9_-]{{20,}}"),
    "openai_key": Entity(rf"{_LEFT}sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{{20,}}"),
    "google_api_key": Entity(rf"{_LEFT}AIza[A-Za-z0-9_-]{{35,}}"),
    "aws_access_key_id": Entity(
        rf"{_LEFT}(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA)[A-Z0-9]{{16}}(?![A-Za-z0-9])"
    ),
    "aws_secret_key": Entity(r"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])", random_key),
    "github_token": Entity(rf"{_LEFT}(?:gh[pousr]_[A-Za-z0-9]{{36,}}|github_pat_[A-Za-z0-9_]{{36,}})"),
    "gitlab_token": Entity(
        rf"{_LEFT}(?:gl(?:pat|oas|dt|rt|cbt|ptt|ft|imt|agent|soat|ffct)-|GR1348941)[A-Za-z0-9_-]{{20,}}"
    ),
    "slack_token": Entity(
        rf"{_LEFT}(?:xox[abeprs]|xapp|xwfp)-[A-Za-z0-9-]{{10,}}"
        r"|(?<![A-Za-z0-9.])hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{40,}"
    ),
    "stripe_key": Entity(rf"{_LEFT}(?:[srp]k_(?:live|test|prod)_[A-Za-z0-9]{{10,}}|whsec_[A-Za-z0-9+/]{{24,}})"),
    "huggingface_token": Entity(rf"{_LEFT}(?:hf_|api_org_)[A-Za-z0-9]{{30,}}"),
    "npm_token": Entity(rf"{_LEFT}npm_[A-Za-z0-9]{{36,}}"),
    "pypi_token": Entity(rf"{_LEFT}pypi-[A-Za-z0-9_-]{{50,}}"),
    # Storage and service keys (512 bits in base64), and client secrets of Entra ID.
    "azure_key": Entity(
        r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==|(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,}"
    ),
    "twilio_key": Entity(rf"{_LEFT}(?:SK|AC)[0-9a-fA-F]{{32}}(?![A-Za-z0-9])"),
    "sendgrid_key": Entity(rf"{_LEFT}SG\.[A-Za-z0-9_-]{{16,32}}\.[A-Za-z0-9_-]{{16,}}"),
}
