"""Forecasts of how full containers get: what the next visit or reading finds, and the fill at every hour of a week.

Pure functions and objects over observations; the clock is handed in, and nothing here writes to disk or network.
"""
