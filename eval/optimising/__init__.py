"""Better words for a prompt: proposed, tried on cases, chosen on others, and reported once on cases never looked at.

prompt -> subject (header, body, checks) -> mutations | writer (proposals) -> search (gepa) on bench -> report
"""
