"""The result of a night: gate, changes, the morning page, and notices."""
