"""Settings that data chooses: searched on half of the people, judged on the others, written with their evidence."""
