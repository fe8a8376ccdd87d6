"""Its texts in Bahasa Indonesia and English."""
