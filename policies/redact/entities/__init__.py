"""The built-in rules: `ENTITIES` by name, and `SETS` of them that a rule can use by one name.

Within a set, the more specific name comes first. If two match the same text, the earlier rule's label is used.
"""

from typing import Final

from policies.redact.entities.code import CODE
from policies.redact.entities.entity import Entity, Validator
from policies.redact.entities.personal import PERSONAL
from policies.redact.entities.secrets import SECRETS

ENTITIES: Final[dict[str, Entity]] = {**PERSONAL, **SECRETS, **CODE}
SETS: Final[dict[str, tuple[str, ...]]] = {
    "pii": tuple(PERSONAL),
    "secrets": tuple(SECRETS),
    "dangerous_code": tuple(CODE),
}

__all__ = ["ENTITIES", "SETS", "Entity", "Validator"]
