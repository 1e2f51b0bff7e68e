"""What a message means: by rules and by examples, never by a model's prose (docs/understanding.md)."""
