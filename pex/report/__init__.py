"""Frames into tables, pictures and one HTML file; every text is escaped."""
