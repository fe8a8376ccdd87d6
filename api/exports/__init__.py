"""What other programs expect of a city: NGSI-LD entities, GeoJSON and tables."""
