"""The console: pages for dispatch and network admins, in Bahasa Indonesia and English."""
