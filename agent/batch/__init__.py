"""Slates for many people: a job is cut into shards, workers make the lines of each, one file takes them in order."""
