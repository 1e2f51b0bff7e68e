"""How soon an event is in the profile."""
