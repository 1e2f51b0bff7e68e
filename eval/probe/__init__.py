"""Probes: what a strategy makes of changes that should not matter, or should; the strategy alone, not the blend.

cases -> position | history | paraphrase | injection (changes) -> asking (the strategy) -> effects -> report
"""
