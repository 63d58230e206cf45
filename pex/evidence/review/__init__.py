"""A second person decides whether an alias moves."""
