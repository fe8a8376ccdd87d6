"""Migrations of the relational database."""
