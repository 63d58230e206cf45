"""A project on disk: settings, experiment and plan files, folders, and what it is trusted with."""
