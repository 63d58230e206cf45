from hypothesis import settings

# The same examples on every machine, and no folder of found ones in the tree.
settings.register_profile("pex", derandomize=True, database=None, deadline=None)
settings.load_profile("pex")
