"""How good the interest posterior is: the log-loss of the tags of the next liked item, and whether its intervals hold.

Hyperparameters are fitted on one half of the people and reported on the other (docs/interests.md).
"""
