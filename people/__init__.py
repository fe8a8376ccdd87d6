"""Persons and services that use the city: accounts, roles and rights, sign-in, sessions, tokens, audit."""
