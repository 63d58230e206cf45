"""What a run found: its frame, loaded, compared, scored again, corrected, and recorded."""
