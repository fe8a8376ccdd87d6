"""Alarms, after ISA-18.2: one for each thing and reason, raised, acknowledged, cleared or shelved.

states, cases, health -> `conditions` -> `engine` with the rules -> `service` (database) -> API, console
"""
