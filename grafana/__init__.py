"""Dashboards, alert rules and provisioning files for Grafana, generated; what is committed equals what is generated."""

from __future__ import annotations

import warnings

# Classic boards warn, when their module is loaded, that a newer form exists; Grafana 9.4 reads the classic one only.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import grafana_foundation_sdk.builders.dashboard
    import grafana_foundation_sdk.models.dashboardv2beta1  # noqa: F401 - both loaded once, here, quietly
