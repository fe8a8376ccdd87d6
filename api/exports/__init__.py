"""Exports for other programs: NGSI-LD entities of the Smart Data Models, GeoJSON, and CSV."""
