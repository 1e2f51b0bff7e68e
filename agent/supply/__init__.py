"""What Palate is made of: the locked versions, and a bill of materials of what is installed here."""
