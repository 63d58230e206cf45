"""What a run found: loaded, compared, rescored, corrected, recorded."""
