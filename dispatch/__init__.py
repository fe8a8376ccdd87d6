"""Dispatch: what needs an action, who acts, and whether it was done."""
