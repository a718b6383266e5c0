"""Executes `explore.ipynb` from top to bottom, in place, and writes it as it is committed.

In: the notebook, and what a chain left behind (see README.md). Out: the notebook with its outputs,
in its normal form: nothing of the machine, pictures in a third of their size.
"""

from __future__ import annotations

import base64
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image
from traitlets.config import Config

NOTEBOOK = Path(__file__).with_name("explore.ipynb")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
COLOURS = 64  # of a picture: few lines, and their edges


def executed(notebook: Any, folder: Path, *, seconds: float = 600.0) -> Any:
    """The notebook with its outputs; each cell has so many seconds."""
    found = deepcopy(notebook)
    client = NotebookClient(
        found,
        timeout=seconds,
        resources={"metadata": {"path": str(folder)}},
        config=Config({"KernelManager": {"transport": "ipc"}}),  # no open port
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute()
    return found


def normal(notebook: Any) -> Any:
    """The notebook as it is committed; of one that is, the same."""
    found = deepcopy(notebook)
    found.metadata = nbformat.from_dict(METADATA)
    for cell in found.cells:
        cell.metadata = nbformat.from_dict({})
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = _smaller(data["image/png"])
    return found


def _smaller(picture: str) -> str:
    image = Image.open(BytesIO(base64.b64decode(picture)))
    if image.mode == "P":
        return picture
    content = BytesIO()
    image.convert("RGB").quantize(COLOURS).save(content, "png", optimize=True)
    return base64.b64encode(content.getvalue()).decode()


if __name__ == "__main__":
    made = executed(nbformat.read(NOTEBOOK, as_version=4), NOTEBOOK.parent)
    nbformat.write(normal(made), NOTEBOOK)
