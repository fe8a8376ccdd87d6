"""Changes of a city's files while it runs: texts that keep what is not changed, checks, versions and their history."""
