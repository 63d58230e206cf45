"""More and better cases: proposed by a model, reviewed, audited, counted."""
