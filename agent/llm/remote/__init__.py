"""A model behind an OpenAI-compatible API: what is sent, what comes back, and what may go wrong between."""
