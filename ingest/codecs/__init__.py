"""Runs payload codecs (JavaScript) in a process of their own."""
