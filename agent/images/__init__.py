"""Pictures of items: read and checked, then turned into vectors by a model of the user's choice."""
