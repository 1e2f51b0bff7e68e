"""Data sets with known answers out of anybody's events: `palate eval data build`.

    sources -> reading -> splits -> questions -> folder -> leaks
    which      items and   what is    one case     files,    read back: nothing
    files      acts        past       a person     hashes    gives an answer away

A folder appears whole or not at all, and equal sources, options and seeds give equal bytes.
"""
