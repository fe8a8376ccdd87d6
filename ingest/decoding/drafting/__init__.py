"""Drafts of profiles: from a few messages of an unknown model to a profile that reads them."""
