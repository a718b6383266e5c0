"""The package, built once."""

from __future__ import annotations

import pytest
from package.building import ROOT, Built, build


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Wheel and sdist of the checkout."""
    return build(ROOT, tmp_path_factory.mktemp("built"))
