r"""Entities of persons: addresses, registered numbers, and network addresses.

Boundaries are ASCII (`(?<![0-9])`, never `\b`), because these stand next to Chinese or Japanese text without a space.
The start of a match is as narrow as possible, because every start holds text.

Sources: RFC 5321 lengths (email), E.164 and the national plans (phone), the ISO 13616 registry (IBAN), SSA's ranges
(SSN), and Presidio's and python-stdnum's recognizers for the rest.
"""

from typing import Final

from policies.redact.entities.checksums import (
    cn_resident_id,
    credit_card,
    iban,
    ipv6,
    jp_my_number,
    phone_number,
    tw_national_id,
    uk_nino,
)
from policies.redact.entities.entity import Entity

_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_IPV4: Final = rf"(?:{_OCTET}\.){{3}}{_OCTET}"

_AREA: Final = r"(?:00[1-9]|0[1-9][0-9]|[1-578][0-9]{2}|6(?:[0-57-9][0-9]|6[0-57-9]))"
_GROUP: Final = r"(?:0[1-9]|[1-9][0-9])"
_SERIAL: Final = r"(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})"

_PHONES: Final = (
    r"\+[1-9](?:[ .()/-]{0,2}[0-9]){6,14}",  # E.164
    r"(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4}",  # North America
    r"(?:\(0[1-9][0-9]{0,4}\)|0[1-9][0-9]{0,4})[ /-]?(?:[0-9]{2,8}[ /-]){1,3}[0-9]{2,8}",  # trunk 0
    r"(?:\(0[1-9][0-9]{0,4}\) ?|0[1-9][0-9]{0,4}[ /-])[0-9]{5,8}",
    r"07[0-9]{9}|0[789]0[0-9]{8}|01[567][0-9]{8,9}|09[0-9]{8}",  # mobiles unspaced: UK, JP, DE, TW
    r"1[3-9][0-9](?:[ -]?[0-9]{4}){2}",  # mobiles of China
)

PERSONAL: Final[dict[str, Entity]] = {
    "email": Entity(
        r"(?<![A-Za-z0-9._%+'-])[A-Za-z0-9._%+'-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,5}"
        r"(?:xn--[A-Za-z0-9-]{2,59}|[A-Za-z]{2,24})(?![A-Za-z0-9])"
    ),
    "credit_card": Entity(r"(?<![0-9])[2-68][0-9](?:[ -]?[0-9]){11,17}(?![0-9])", credit_card),
    "iban": Entity(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11,30}(?![A-Za-z0-9])", iban),
    "us_ssn": Entity(rf"(?<![0-9-])(?:{_AREA}-{_GROUP}-{_SERIAL}|{_AREA} {_GROUP} {_SERIAL})(?![0-9-])"),
    "tw_national_id": Entity(r"(?<![A-Za-z0-9])[A-Za-z](?:[1289]|[A-Da-d])[0-9]{8}(?![A-Za-z0-9])", tw_national_id),
    "tw_mobile": Entity(r"(?<![0-9+])(?:\+886[ -]?0?|0)9[0-9]{2}[ -]?[0-9]{3}[ -]?[0-9]{3}(?![0-9])"),
    "cn_resident_id": Entity(
        r"(?<![A-Za-z0-9])[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]"
        r"(?![A-Za-z0-9])",
        cn_resident_id,
    ),
    # One in eleven numbers passes its check: four of a card's groups joined by hyphens are not three of this one's.
    "jp_my_number": Entity(r"(?<![0-9A-Za-z-])[0-9]{4}([ -]?[0-9]{4}){2}(?![0-9A-Za-z-])", jp_my_number),
    "uk_nino": Entity(
        r"(?<![A-Za-z0-9])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?(?:[0-9]{2} ?){3}[A-D](?![A-Za-z0-9])", uk_nino
    ),
    "phone": Entity(rf"(?<![0-9A-Za-z+.-])(?:{'|'.join(_PHONES)})(?![0-9A-Za-z])", phone_number),
    "ipv4": Entity(rf"(?<![0-9.]){_IPV4}(?![0-9])"),
    "ipv6": Entity(
        rf"(?<![0-9A-Za-z:.])(?:[0-9A-Fa-f]{{0,4}}:){{2,7}}(?:{_IPV4}|[0-9A-Fa-f]{{0,4}})(?![0-9A-Za-z])", ipv6
    ),
    "mac_address": Entity(
        r"(?<![0-9A-Za-z:-])(?:[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})"
        r"|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2})(?![0-9A-Za-z:-])"
    ),
}
