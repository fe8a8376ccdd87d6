"""The console: pages for dispatch and network admins, in Bahasa Indonesia and English.

NiceGUI uses python-engineio as a server. The HTTP clients that the package loads for its client side, if they are
installed, would cost 120 ms of the start and 13 MB of memory.
"""

import importlib

from city.optional_imports import hide_modules

with hide_modules("aiohttp", "requests"):
    importlib.import_module("engineio")
