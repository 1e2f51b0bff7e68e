"""Putting candidates in order with a language model, and blending its order with the prior."""
