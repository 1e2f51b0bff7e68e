"""What an operator sees of Palate at work: logs, the times of stages, spans. Nothing in it is a person's."""
