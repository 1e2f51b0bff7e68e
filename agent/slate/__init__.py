"""The slate: which of the ranked candidates a person is shown, and what is said of how it came about."""
