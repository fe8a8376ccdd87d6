"""Devices' own bytes, decoded here when no network server did: one file a maker, `registry` knows them all."""
