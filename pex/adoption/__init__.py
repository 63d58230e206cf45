"""Whether every prompt of the library may move to a new model."""
