"""Stored weights into a network.

In: a network, a stored document. Out: the network with exactly the document's weights.
"""

from __future__ import annotations

from susystream.errors import DocumentInvalid
from susystream.model.network import Network
from susystream.registry.document import ModelDocument, decode_weights


def take_weights(network: Network, document: ModelDocument) -> None:
    """Gives a network the weights of a document.

    Raises:
        DocumentInvalid: They do not fit.
    """
    try:
        network.set_weights(decode_weights(document.weights))
    except ValueError as error:
        raise DocumentInvalid(
            f"expected weights that fit the architecture of model {document.model_id}, received "
            f"others: {' '.join(str(error).split())[:160]}; store the model again"
        ) from error
