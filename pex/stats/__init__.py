"""Pure functions on arrays: intervals."""
