from pathlib import Path

from banditroute.store import MemoryStore, Store, open_store
from banditroute.testing import StoreLaws


class TestMemoryStore(StoreLaws):
    def open_new(self, tmp_path: Path) -> Store:
        return MemoryStore()

    def reopen(self, store: Store, tmp_path: Path) -> Store:
        return store


class TestSqlStore(StoreLaws):
    def open_new(self, tmp_path: Path) -> Store:
        tmp_path.mkdir(exist_ok=True)
        return open_store(f"sqlite:///{tmp_path}/routing.db")

    def reopen(self, store: Store, tmp_path: Path) -> Store:
        return open_store(f"sqlite:///{tmp_path}/routing.db")

    def another(self, tmp_path: Path) -> Store:
        return open_store(f"sqlite:///{tmp_path}/routing.db")
