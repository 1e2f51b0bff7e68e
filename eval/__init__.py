"""Offline evaluation: data sets in, per-case orders, metrics with intervals and paired comparisons out.

cases -> systems -> runs (orders) -> metrics (per case) -> statistics (intervals, p) -> results (table, JSON)
                                   beyond (of what is shown)
                      signals -> fit (the blend's weights)
"""
