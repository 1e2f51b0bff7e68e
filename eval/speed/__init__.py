"""A benchmark of the scoring engine beside its peers and the limit of the machine.

questions -> rows (each opened on one stand, over one model file) -> bench (alternating, timed) -> report (ratios, JSON)
                                                                               figures (arithmetic) -> drawing
"""
