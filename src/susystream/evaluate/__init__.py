"""Evaluation: tallies, metrics, engines."""
