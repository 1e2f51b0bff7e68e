"""The stages of the path from a person to a slate; agent/recommender.py puts them together."""
