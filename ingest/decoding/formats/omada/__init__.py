"""TP-Link Omada controllers."""
