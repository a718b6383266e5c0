"""Executes `explore.ipynb` from top to bottom, in place, and writes it as it is committed.

In: the notebook, and what a chain left behind (see README.md). Out: the notebook with its outputs,
in its normal form: nothing of the machine, pictures in a third of their size.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

NOTEBOOK = Path(__file__).with_name("explore.ipynb")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
COLOURS = 64  # of a picture: few lines, and their edges


def executed(
    notebook: Any, folder: Path, *, seconds: int = 600, env: Mapping[str, str] | None = None
) -> Any:
    """The notebook with its outputs.

    Args:
        notebook: As read.
        folder: In which it runs.
        seconds: That each cell has.
        env: Of its kernel; None: that of this process.

    Raises:
        CellExecutionError: A cell failed.
        CellTimeoutError: It took too long.
    """
    found = deepcopy(notebook)
    client = NotebookClient(
        found,
        timeout=seconds,
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute(env=dict(os.environ if env is None else env))
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
