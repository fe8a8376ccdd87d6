"""People are hidden before a picture is stored."""
