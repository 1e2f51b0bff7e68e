"""A data folder as one file, and one file as a data folder again."""
