"""Everything a city keeps as one encrypted file, and back."""
