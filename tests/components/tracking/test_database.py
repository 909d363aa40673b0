"""A local database appears whole, once, and is MLflow's own."""

from concurrent.futures import ThreadPoolExecutor

from components.promoting.registry import Registry
from components.tracking import runs
from components.tracking.runs import client_of, open_run


def test_a_new_database_is_whole_and_made_once(tmp_path, monkeypatch):
    path = tmp_path / "new" / "mlflow.db"
    made = []
    make = runs.whole_file
    monkeypatch.setattr(runs, "whole_file", lambda path: made.append(path) or make(path))
    uri = f"sqlite:///{path}"
    client_of.cache_clear()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda number: client_of(uri), range(3)))
    assert made == [path]
    first = open_run(uri, "run-1", "one", {"a": "1"}, {})
    client_of.cache_clear()
    assert open_run(uri, "run-1", "one", {"a": "1"}, {}) == first
    assert Registry(uri).versions() == []
    assert client_of(uri).get_run(first).info.artifact_uri.startswith(f"file://{tmp_path}/new/mlartifacts")
    assert made == [path]
