"""The field's tables: figures that others published beside what is measured here, on the same protocol."""
