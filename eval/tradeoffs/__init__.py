"""What each knob of the slate gives, and what it costs in hits."""
