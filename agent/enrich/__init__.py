"""What a model writes about items of which the catalogue says little: kept beside them, for recall alone."""
