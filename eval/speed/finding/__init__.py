"""The speed of finding: texts to vectors, vectors to items, and what an approximate index leaves out."""
