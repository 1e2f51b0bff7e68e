"""Finding candidates in the catalogue."""
