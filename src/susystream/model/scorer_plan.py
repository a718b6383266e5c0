"""How to build a scorer, as plain data that another process can be handed.

In: a plan or an architecture, with the columns it takes. Out: frozen, picklable recipes; `open`
makes the scorer. TensorFlow and Keras are loaded only when a recipe for TensorFlow is opened.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from numpy.typing import NDArray

from susystream.model.openvino_scorer import OpenVinoScorer, Precision
from susystream.model.plan import Plan
from susystream.model.scorer import Scorer


@dataclass(frozen=True, slots=True, eq=False)
class OpenVinoPlan:
    """A scorer by OpenVINO.

    Attributes:
        plan: The network.
        features: Which of the 18 columns it takes, in its order.
        precision: Of the products inside.
    """

    plan: Plan = field(repr=False)
    features: tuple[int, ...]
    precision: Precision = "float32"

    def open(self, *, threads: int | None = None, block_rows: int | None = None) -> Scorer:
        """The scorer.

        Args:
            threads: So many at once; by default one for each processor.
            block_rows: Rows scored together; fewer take as long. By default what is fastest.

        Raises:
            ModelError: OpenVINO is not installed, or the processor has no bfloat16.
        """
        return OpenVinoScorer(
            self.plan, self.features, self.precision, threads=threads, block_rows=block_rows
        )


@dataclass(frozen=True, slots=True, eq=False)
class TensorFlowPlan:
    """A scorer by TensorFlow.

    Attributes:
        architecture: JSON, as `susystream.model.network` reads it.
        weights: In the order of Keras' `set_weights`.
        features: Which of the 18 columns it takes, in its order.
    """

    architecture: str = field(repr=False)
    weights: tuple[NDArray[Any], ...] = field(repr=False)
    features: tuple[int, ...]

    def open(self, *, threads: int | None = None, block_rows: int | None = None) -> Scorer:
        """The scorer; the number of threads is obeyed by a process new to TensorFlow only.

        Args:
            threads: Of TensorFlow.
            block_rows: Rows scored together; fewer take as long. By default what is fastest.

        Raises:
            ModelError: The architecture holds what is not on the list, or takes other columns.
            ValueError: The weights are not those of the architecture.
        """
        from susystream.model.network import network_from_json
        from susystream.model.tensorflow_scorer import TensorFlowScorer, limit_threads

        if threads is not None:
            limit_threads(threads)
        network = network_from_json(json.loads(self.architecture))
        network.set_weights(list(self.weights))
        return TensorFlowScorer(network, self.features, block_rows)


ScorerPlan: TypeAlias = OpenVinoPlan | TensorFlowPlan
