"""What conversations are worth: their films, the times they take, and whether their replies invent titles."""
