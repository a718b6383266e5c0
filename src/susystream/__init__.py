"""Experiment-tracked machine learning on a Kafka event stream."""

__version__ = "0.1.0"
