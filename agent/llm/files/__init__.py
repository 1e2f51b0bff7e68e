"""Model files: references to them, where they come from, and the proof that they are whole."""
