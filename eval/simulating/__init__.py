"""Simulated seekers: each has an item in mind, says what it is like but never its name, and reacts to what it is shown.

case -> leaks (what must not be said), facets (what may be) -> seeker <-> guide (the recommender) -> report
"""
