"""Experiment-tracked machine learning on a Kafka event stream."""

from importlib.metadata import version

__version__ = version("susystream")
