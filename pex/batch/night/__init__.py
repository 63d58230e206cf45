"""What a night said: gate, changes, the morning page, and who is told."""
