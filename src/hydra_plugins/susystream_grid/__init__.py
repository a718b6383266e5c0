"""Runs the trials of a grid."""
