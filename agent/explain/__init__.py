"""Why an item suits a person: evidence, sentences, and the check that they say nothing else."""
