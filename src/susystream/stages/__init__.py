"""The stages: each joins adapters into one step of the chain."""
