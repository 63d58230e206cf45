"""Frames and verdicts as tables, plots and pages; every text is escaped."""
