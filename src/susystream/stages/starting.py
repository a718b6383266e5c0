"""What a training starts from: fresh weights, or those of a stored model.

In: the settings, the data set, and a parent if there is one. Out: a network.
A parent's network keeps the scaler it learned with, whatever the new data set's is: its weights
mean something only behind those constants. So that scaler is the new model's preprocessing too.
The optimiser starts afresh, for its moments are no part of a stored model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from susystream.data.scaling import Scaler
from susystream.errors import SettingsError
from susystream.model.network import Network, architecture_of, build_network
from susystream.registry.document import DatasetRecord, ModelDocument
from susystream.schema import feature_indices
from susystream.settings import Settings
from susystream.stages.weights import take_weights


@dataclass(frozen=True, slots=True)
class Origin:
    """What a model comes from, beside its data set.

    Attributes:
        parent: The model whose weights it started from.
        chain: The chain it is a step of (`train.follow`).
    """

    parent: ModelDocument | None = None
    chain: str | None = None

    @property
    def tags(self) -> dict[str, str]:
        """Of the run that trains it."""
        parent = {"parent_model_id": self.parent.model_id} if self.parent else {}
        return parent | ({"chain": self.chain} if self.chain else {})

    def scaler(self, record: DatasetRecord) -> dict[str, Any]:
        """By which its network scales the columns."""
        return dict(self.parent.preprocessing if self.parent else record.scaler)


def network_to_train(settings: Settings, record: DatasetRecord, origin: Origin) -> Network:
    """A network as the settings describe it, with its parent's weights if it has one.

    Raises:
        SettingsError: The parent's network is another one; the message says in what.
        DocumentInvalid: The parent's weights do not fit its architecture.
    """
    chosen = feature_indices(settings.model.feature_names)
    scaler = Scaler.from_json(origin.scaler(record))
    network = build_network(
        features=len(chosen),
        hidden=settings.model.hidden,
        dropout=settings.model.dropout,
        activation=settings.model.activation,
        mean=[scaler.mean[i] for i in chosen],
        std=[scaler.std[i] for i in chosen],
        seed=settings.seed,
    )
    if origin.parent is not None:
        _take_over(network, origin.parent, settings)
    return network


def _take_over(network: Network, parent: ModelDocument, settings: Settings) -> None:
    here = _form(architecture_of(network), settings.model.feature_names)
    there = _form(parent.architecture.config, parent.features)
    differ = [name for name in here if here[name] != there[name]]
    if differ:
        told = f"{differ[0]} {_short(there[differ[0]])} there and {_short(here[differ[0]])} here"
        raise SettingsError(
            f"expected parent {parent.model_id} to have the network of the settings, received "
            f"{told}; set it alike, or begin anew (other train.parent or train.following.chain)"
        )
    take_weights(network, parent)


def _form(architecture: Mapping[str, Any], features: tuple[str, ...]) -> dict[str, object]:
    """What makes a network, by the names of the settings; seeds and the scaler are none of it."""
    layers = [(layer["class_name"], layer["config"]) for layer in architecture["layers"]]
    dense = [config for kind, config in layers if kind == "Dense"][:-1]
    free = {"seed", "mean", "variance", "kernel_initializer"}
    return {
        "model.features": list(features),
        "model.hidden": [config.get("units") for config in dense],
        "model.dropout": [config.get("rate") for kind, config in layers if kind == "Dropout"],
        "model.activation": [config.get("activation") for config in dense],
        "layers": [
            (kind, {key: value for key, value in config.items() if key not in free})
            for kind, config in layers
        ],
    }


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 120 else text[:117] + "..."
