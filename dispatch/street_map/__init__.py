"""Streets and outlines for maps without internet: imported once, then served as tiles.

The import loads osmium; what the API needs does not.
"""
