"""What a stored run says, any time after it and without a model: compared, shown case by case, reported, gated.

run folder -> results (eval.running) + tallies (one pass over the answers) -> diff | show | report | gate
"""
