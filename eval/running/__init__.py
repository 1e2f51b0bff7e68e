"""Cells run over cases into a folder: every answer kept as it comes, scored afterwards as often as one likes."""
