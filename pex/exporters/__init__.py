"""Exporters: an experiment or a run in the formats of other tools, one file for each tool."""
