"""Launches trials in other processes."""
