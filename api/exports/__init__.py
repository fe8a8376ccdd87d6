"""What others take from us: NGSI-LD entities of the Smart Data Models, GeoJSON for maps, CSV for spreadsheets."""
