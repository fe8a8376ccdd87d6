"""The store port and what stands behind it: `port` names the roles, `duck` and `memory` fill them."""
