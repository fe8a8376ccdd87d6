"""Object identifiers of access points' metrics, by maker."""

from __future__ import annotations

from typing import Final

import msgspec

SYS_OBJECT_ID: Final = "1.3.6.1.2.1.1.2.0"
SYS_UPTIME: Final = "1.3.6.1.2.1.1.3.0"
"""Uptime of the agent, in hundredths of a second."""
HR_SYSTEM_UPTIME: Final = "1.3.6.1.2.1.25.1.1.0"
"""Uptime of the machine, from which its counters count."""

IF_DESCR: Final = "1.3.6.1.2.1.2.2.1.2"
IF_TYPE: Final = "1.3.6.1.2.1.2.2.1.3"
IF_NAME: Final = "1.3.6.1.2.1.31.1.1.1.1"
IF_OCTETS: Final = {"rx_bytes": "1.3.6.1.2.1.2.2.1.10", "tx_bytes": "1.3.6.1.2.1.2.2.1.16"}
IF_HC_OCTETS: Final = {"rx_bytes": "1.3.6.1.2.1.31.1.1.1.6", "tx_bytes": "1.3.6.1.2.1.31.1.1.1.10"}
IF_HIGH_SPEED: Final = "1.3.6.1.2.1.31.1.1.1.15"
"""Speed in Mbit/s; 0 where it is not known."""
WIRELESS_TYPE: Final = 71
"""ieee80211. Source: IANAifType-MIB."""

HR_PROCESSOR_LOAD: Final = "1.3.6.1.2.1.25.3.3.1.2"
UCD_CPU_IDLE: Final = "1.3.6.1.4.1.2021.11.11.0"
UCD_MEM_TOTAL: Final = "1.3.6.1.4.1.2021.4.5.0"
UCD_MEM_FREE: Final = "1.3.6.1.4.1.2021.4.6.0"
UCD_MEM_BUFFER: Final = "1.3.6.1.4.1.2021.4.14.0"
UCD_MEM_CACHED: Final = "1.3.6.1.4.1.2021.4.15.0"
UCD_MEM_AVAILABLE: Final = "1.3.6.1.4.1.2021.4.27.0"


class WirelessTable(msgspec.Struct, frozen=True):
    """The columns of one maker's MIB; empty where it has none. All but `busy_pct` share their index.

    `enterprise` is the prefix of such an access point's sysObjectID. Many makers run Net-SNMP, which reports its own,
    so it only decides which table is tried first.
    """

    name: str
    enterprise: str
    clients: str
    ssid: str = ""
    radio: str = ""
    noise_dbm: str = ""
    busy_pct: str = ""


WIRELESS: Final = (
    WirelessTable(
        "UBNT-UniFi-MIB",
        "1.3.6.1.4.1.41112",
        clients="1.3.6.1.4.1.41112.1.6.1.2.1.8",
        ssid="1.3.6.1.4.1.41112.1.6.1.2.1.6",
        radio="1.3.6.1.4.1.41112.1.6.1.2.1.9",
        busy_pct="1.3.6.1.4.1.41112.1.6.1.1.1.6",
    ),
    WirelessTable(
        "UBNT-AirMAX-MIB",
        "1.3.6.1.4.1.10002",
        clients="1.3.6.1.4.1.41112.1.4.5.1.15",
        ssid="1.3.6.1.4.1.41112.1.4.5.1.2",
        noise_dbm="1.3.6.1.4.1.41112.1.4.5.1.8",
    ),
    WirelessTable(
        "MIKROTIK-MIB",
        "1.3.6.1.4.1.14988",
        clients="1.3.6.1.4.1.14988.1.1.1.3.1.6",
        ssid="1.3.6.1.4.1.14988.1.1.1.3.1.4",
        radio="1.3.6.1.4.1.14988.1.1.1.3.1.8",
        noise_dbm="1.3.6.1.4.1.14988.1.1.1.3.1.9",
    ),
    WirelessTable(
        "RUCKUS-WLAN-MIB",
        "1.3.6.1.4.1.25053",
        clients="1.3.6.1.4.1.25053.1.1.6.1.1.1.4.1.3",
        ssid="1.3.6.1.4.1.25053.1.1.6.1.1.1.4.1.1",
    ),
    WirelessTable(
        "AI-AP-MIB",
        "1.3.6.1.4.1.14823",
        clients="1.3.6.1.4.1.14823.2.3.3.1.1.7.1.4",
        ssid="1.3.6.1.4.1.14823.2.3.3.1.1.7.1.2",
    ),
    WirelessTable(
        "CISCO-DOT11-ASSOCIATION-MIB",
        "1.3.6.1.4.1.9",
        clients="1.3.6.1.4.1.9.9.273.1.1.2.1.1",
    ),
)
"""Source: the makers' MIB files of these names."""

RADIOS: Final = (("6e", "6g"), ("6ghz", "6g"), ("5ghz", "5g"), ("2ghz", "2g"), ("na", "5g"), ("ng", "2g"))
"""Prefix of a radio column's text (UniFi: `ng`, `na`, `6e`; MikroTik: `2ghz-b/g/n`) to the contract's band."""
