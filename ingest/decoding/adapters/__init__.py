"""Adapters for third-party formats: each decodes a topic and bytes into device reports; `registry` lists them."""
