"""Conversation: what a message means, what is asked back, what is answered, and what of it is kept."""
