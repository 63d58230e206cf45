"""How calls are made: endpoint, prices and budget, the runner."""
