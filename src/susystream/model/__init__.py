"""The network: building, training, scoring."""
