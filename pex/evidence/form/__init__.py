"""Forms that people fill in without code: what must hold, what is right."""
