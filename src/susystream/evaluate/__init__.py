"""Evaluation: tallies, metrics, plots, engines."""
