"""Evidence of a dumping: pictures without people, who kept, saw, judged and deleted them, and how to check all of it.

`keeper` -> `recorder` (RAM) -> `develop` (people hidden) -> `room`: `kept` (disk) and `custody` (signed log). What the
API imports needs no OpenCV: `room`, `verify`, `retention`, `sealed`, `export`.
"""
