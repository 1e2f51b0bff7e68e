"""What is known of a person on one platform, measured where they are new: a catalogue cut into two platforms."""
