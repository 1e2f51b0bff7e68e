"""Items, events, conversations and what can be computed again, in files or a database: the truth, and a cache."""
