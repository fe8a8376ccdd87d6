"""Was a stop served? States of a stop, each with its evidence, from what crews, trucks and sensors say.

Pure functions; the clock is handed in, and nothing here reads or writes disk or network.
"""
