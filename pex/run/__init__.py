"""How calls are made: endpoints, limits, budget, prices, the journal of answers."""
