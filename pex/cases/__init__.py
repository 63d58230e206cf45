"""A file of cases: read, and edited in place."""
