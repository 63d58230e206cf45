"""The results of a run: loaded, compared, rescored, corrected, recorded."""
