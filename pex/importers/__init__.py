"""Importers: result files of other tools as recorded runs, one file for each tool."""
