"""Figures: each from plain numbers or counts, none with a display or global state."""
