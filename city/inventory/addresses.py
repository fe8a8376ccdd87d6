"""Addresses of third-party devices: one spelling of each, and what a format can never hear.

What an address may be is data beside the format's adapter (`address.toml`), like its topics.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Final

from city.inventory.device_topics import OWN_TOPICS
from city.inventory.field_types import show
from city.inventory.model import Binding
from city.inventory.profiles import FORMATS

FORMS: Final[Mapping[str, frozenset[str]]] = {
    path.parent.name: frozenset(tomllib.loads(path.read_text(encoding="utf-8"))["forms"])
    for path in sorted(FORMATS.glob("*/address.toml"))
}
"""Format to what its addresses may be: `mac`, `eui64`, `imei`, or `text` for any name."""
_ANY: Final = frozenset({"text"})
_SEPARATORS: Final = re.compile(r"[:. -]")
_HEX: Final = re.compile(r"[0-9a-f]+")
_MAC_DIGITS: Final = 12
_EUI64_DIGITS: Final = 16
_IMEI: Final = re.compile(r"[0-9](?:[ /-]?[0-9]){13,16}")
"""14 digits, 15 with the check digit, 16 or 17 with a software version."""
_IMEI_DIGITS: Final = 15
_SHORTENED: Final = re.compile(r"[0-9](?:[.,][0-9]+)?[Ee]\+[0-9]{1,3}")
"""A long number as spreadsheets show it: 3.52094E+14."""
_GROUPS: Final = re.compile(r"[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){3,}")
"""Five and more octets with separators: meant as a MAC address or an EUI, whatever their number."""
_NOUNS: Final = {
    "mac": "a MAC address (12 hexadecimal digits)",
    "eui64": "a DevEUI (16 hexadecimal digits)",
    "imei": "an IMEI (14 to 17 digits)",
}


def normal_mac(text: str) -> str:
    """A MAC address in lower case with colons; any other text without white space around it."""
    digits = _hex_digits(text)
    if len(digits) != _MAC_DIGITS:
        return text.strip()
    return ":".join(digits[place : place + 2] for place in range(0, _MAC_DIGITS, 2))


def normal_address(adapter: str, text: str) -> str:
    """An address in the one spelling of its form; a name as it is, with its case.

    A MAC address is `aa:bb:cc:00:00:01`, a DevEUI 16 hexadecimal digits in lower case, an IMEI its digits. Behind a
    slash (`application/DevEUI`) the last part is the address.
    """
    forms = FORMS.get(adapter, _ANY)
    path, slash, last = text.strip().rpartition("/")
    if "imei" in forms and _IMEI.fullmatch(text.strip()):
        return re.sub("[ /-]", "", text.strip())
    digits = _hex_digits(last)
    if "mac" in forms and len(digits) == _MAC_DIGITS:
        return path + slash + normal_mac(last)
    if "eui64" in forms and len(digits) == _EUI64_DIGITS:
        return path + slash + digits
    return text.strip()


def address_key(adapter: str, text: str) -> str:
    """What two spellings of an address have in common: its normal form, in lower case."""
    return normal_address(adapter, text).lower()


def written_address(adapter: str, text: str) -> str:
    """The address as the inventory has it: the normal form, or as it is where it is a level of the device's own topic.

    Brokers compare topics character by character; of an IMEI a topic has the digits.
    """
    is_topic_level = adapter in OWN_TOPICS and "imei" not in FORMS.get(adapter, _ANY)
    return text.strip() if is_topic_level else normal_address(adapter, text)


def address_fault(adapter: str, text: str) -> str:
    """Why an adapter can never hear an address; empty if it can."""
    forms = FORMS.get(adapter, _ANY)
    if _SHORTENED.fullmatch(text.strip()):
        return f"{show(text)} is a number that a spreadsheet has shortened: format the column as text, enter all digits"
    nouns = " or ".join(noun for form, noun in _NOUNS.items() if form in forms)
    if _has_form(adapter, text) or not nouns:
        return ""
    if "text" not in forms:
        return f"{show(text)} is not {nouns}, as {adapter} names its devices"
    # A server's id of a device (`application/id`) may have dashes anywhere, and no colon.
    is_id = "/" in text and ":" not in text
    is_name = adapter in OWN_TOPICS or is_id or not _GROUPS.fullmatch(text.rpartition("/")[2].strip())
    return "" if is_name else f"{show(text)} is not {nouns}: its length is wrong"


def address_doubt(binding: Binding) -> str:
    """Why an address is likely mistyped, although it can be heard; empty if it is not."""
    address = normal_address(binding.adapter, binding.address)
    is_imei = "imei" in FORMS.get(binding.adapter, _ANY) and re.fullmatch("[0-9]{15}", address)
    if is_imei and not has_check_digit(address):
        return f"{address} has a wrong check digit; compare it with the tracker's label"
    return ""


def has_check_digit(imei: str) -> bool:
    """Whether the last of 15 digits is the check digit of the others (Luhn). Source: 3GPP TS 23.003, annex B."""
    digits = [int(digit) for digit in imei]
    doubled = [2 * digit for digit in digits[1::2]]
    return len(digits) == _IMEI_DIGITS and sum(digits[::2] + [digit // 10 + digit % 10 for digit in doubled]) % 10 == 0


def _has_form(adapter: str, text: str) -> bool:
    """Whether a text is a MAC address, an EUI or an IMEI, where the adapter has such addresses."""
    forms = FORMS.get(adapter, _ANY)
    length = len(_hex_digits(text.rpartition("/")[2]))
    is_mac, is_eui64 = length == _MAC_DIGITS, length == _EUI64_DIGITS
    is_imei = bool(_IMEI.fullmatch(text.strip()))
    return (is_mac and "mac" in forms) or (is_eui64 and "eui64" in forms) or (is_imei and "imei" in forms)


def _hex_digits(text: str) -> str:
    """Hexadecimal digits in lower case without separators; empty if there is anything else."""
    digits = _SEPARATORS.sub("", text.strip()).lower()
    return digits if _HEX.fullmatch(digits) else ""
