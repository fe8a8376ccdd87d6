"""Evidence of a dumping: pictures without people, who kept, saw, judged and deleted them, and how to check all of it.

`keeper` -> `recorder` (RAM) -> `develop` (people hidden) -> `kept` (disk) -> `custody` (signed log). What the API imports
needs no OpenCV: `kept`, `custody`, `verify`, `retention`, `sealed`, `report`, `export`.
"""
