"""A project as one file for a colleague: packed without keys, unpacked without running anything.

A bundle holds no database: the journal's and MLflow's rows are lines of JSON, written into new
databases where it is opened. So nothing of a stranger's database file is ever opened.
"""
