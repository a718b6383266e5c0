"""Sweeps: Hydra's multirun tied to the tracking server."""
