"""The physics of the events: high-level features, toy Monte Carlo."""
