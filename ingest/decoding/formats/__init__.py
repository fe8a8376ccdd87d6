"""Third-party formats, a folder each; `registry` finds them, `README.md` says how to add one."""
