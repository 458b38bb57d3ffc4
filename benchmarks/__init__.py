"""Measurements, run by ``dev.py bench [name]``: tables of ratios, side by side in one run. They never fail on time."""
