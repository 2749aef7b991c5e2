"""A data home with the 1,000 real products imported, and a small built-in catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from environments.webshop.catalogue.catalogues import open_builtin
from environments.webshop.catalogue.store import Catalogue, open_store
from environments.webshop.data import DATA
from tests.shared_data import shared_data


@pytest.fixture(scope="session")
def webshop_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def home(webshop_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data home of all tests here; the built-in catalogue is generated in it once."""
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(webshop_home))
    return webshop_home


@pytest.fixture(scope="session")
def real_store(webshop_home: Path) -> Path:
    """The store of the 1,000 real products."""
    report = DATA.import_from(shared_data("webshop"), webshop_home)
    assert report.kept == 1000
    assert report.where is not None
    return report.where


@pytest.fixture(scope="session")
def real(real_store: Path) -> Catalogue:
    return open_store(real_store)


@pytest.fixture
def builtin(home: Path) -> Catalogue:
    """200 generated products."""
    return open_builtin(200, 0)
