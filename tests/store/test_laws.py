from collections.abc import Iterator
from pathlib import Path

import pytest

from banditroute.store import MemoryStore, Store, open_store
from banditroute.testing import StoreLaws
from tests.postgres import Server


class TestMemoryStore(StoreLaws):
    def open_new(self, tmp_path: Path) -> Store:
        return MemoryStore()

    def reopen(self, store: Store, tmp_path: Path) -> Store:
        return store


class TestSqliteStore(StoreLaws):
    def open_new(self, tmp_path: Path) -> Store:
        tmp_path.mkdir(exist_ok=True)
        return open_store(f"sqlite:///{tmp_path}/routing.db")

    def reopen(self, store: Store, tmp_path: Path) -> Store:
        return open_store(f"sqlite:///{tmp_path}/routing.db")

    def another(self, tmp_path: Path) -> Store:
        return open_store(f"sqlite:///{tmp_path}/routing.db")


class TestPostgresStore(StoreLaws):
    @pytest.fixture(autouse=True)
    def _server(self, postgres_server: Server) -> Iterator[None]:
        self.server = postgres_server
        self.urls: dict[Path, str] = {}
        yield
        for url in self.urls.values():
            postgres_server.take_back(url)

    def open_new(self, tmp_path: Path) -> Store:
        self.urls[tmp_path] = self.server.new_database()
        return open_store(self.urls[tmp_path])

    def reopen(self, store: Store, tmp_path: Path) -> Store:
        return open_store(self.urls[tmp_path])

    def another(self, tmp_path: Path) -> Store:
        return open_store(self.urls[tmp_path])
