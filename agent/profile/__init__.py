"""From events to what is known of a person. Pure."""
