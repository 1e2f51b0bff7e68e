"""A GGUF file in this process, through llama.cpp: the context, shared-prefix decoding, generation."""
