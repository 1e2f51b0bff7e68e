"""Language models: local files, endpoints, and where the files come from."""
