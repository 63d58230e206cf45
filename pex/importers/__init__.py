"""Importers: projects of other tools as experiments, their results as recorded runs."""
