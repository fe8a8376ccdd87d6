"""Boards, alert rules and provisioning of Grafana, as code."""
