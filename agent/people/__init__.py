"""A person as the store tells them: their events folded, now, on every platform, and what they correct."""
