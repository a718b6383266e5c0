"""Hydra finds its plugins in this package: `hydra/sweeper=tpe` and `hydra/sweeper=random`."""
