"""What is to be evaluated: eval.yaml as a checked value, and the cells that it asks for."""
