"""Entities of code that is harmful if it runs unchanged.

They are for `action: block` or `flag` on answers that a program will execute. Each names one construct, and prose about
that construct matches too.
"""

from typing import Final

from policies.redact.entities.entity import Entity

CODE: Final[dict[str, Entity]] = {
    "eval_call": Entity(r"(?<![A-Za-z0-9_.])eval\s{0,8}\("),
    "exec_call": Entity(r"(?<![A-Za-z0-9_.])exec\s{0,8}\("),
    "dynamic_import": Entity(r"(?<![A-Za-z0-9_])__import__\s{0,8}\("),
    "script_tag": Entity(r"(?i:<script(?![a-z0-9]))"),
    "pipe_to_shell": Entity(
        r"(?<![A-Za-z0-9_-])(?:curl|wget)\s[^\n|;]{1,200}\|\s{0,8}(?:sudo\s{1,8})?(?:/(?:usr/)?bin/)?(?:ba|z|da|k)?sh(?![A-Za-z0-9_-])"
    ),
    "remove_root": Entity(
        r"(?<![A-Za-z0-9_-])rm\s{1,8}(?:-[A-Za-z-]{1,24}\s{1,8}){0,3}"
        r"-(?:[A-Za-z]{0,8}[rR][A-Za-z]{0,8}f|[A-Za-z]{0,8}f[A-Za-z]{0,8}[rR])[A-Za-z]{0,8}"
        r"\s{1,8}(?:--no-preserve-root\s{1,8})?[\"']?(?:/(?![A-Za-z0-9._])|~(?![A-Za-z0-9])|\$HOME(?![A-Za-z0-9_]))"
    ),
    "fork_bomb": Entity(r":\s{0,4}\(\s{0,4}\)\s{0,4}\{\s{0,4}:\s{0,4}\|\s{0,4}:\s{0,4}&\s{0,4}\}\s{0,4};\s{0,4}:"),
    "sql_drop": Entity(
        r"(?i:(?<![A-Za-z0-9_])drop\s{1,8}(?:table|database|schema)\s{1,8}(?:if\s{1,8}exists\s{1,8})?[\"`\[]?[a-z_])"
    ),
    "encoded_powershell": Entity(
        r"(?i:(?<![A-Za-z0-9_])(?:powershell|pwsh)(?:\.exe)?\s[^\n|;]{0,100}?-e(?:nc(?:odedcommand)?|c)?\s{1,8}[a-z0-9+/=]{16,})"
    ),
}
