"""The texts that users meet, in every language: gettext catalogues and how they are read."""
