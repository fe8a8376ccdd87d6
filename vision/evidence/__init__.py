"""Evidence of dumping: pictures without people, a signed log of every access, and the verification of both.

`collector` -> `recorder` (RAM) -> `redaction` (people masked) -> `store`: `case_files` (disk), `custody` (log).
The modules that the API imports need no OpenCV: `store`, `verify`, `retention`, `encryption`, `export`.
"""
