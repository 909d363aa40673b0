"""Imports point downwards only: pipelines -> components -> data -> voco_model; the method imports no machinery."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("pipelines", "components", "data", "voco_model")
MACHINERY = {"kfp", "mlflow", "dvc", "boto3", "deepspeed", "great_expectations"}
ZERO = ROOT / "voco_model/training/zero"
"""Where DeepSpeed may be imported, inside functions: what is imported with the library is tested below."""


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports, wherever the import stands."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative imports hide the layer they cross"
            names.add(node.module.split(".")[0])
    return names


def upward(path: Path, layer: str) -> set[str]:
    """What a file of a layer imports that it must not."""
    above = set(LAYERS[: LAYERS.index(layer)]) | {"tests"}
    if layer == "voco_model":
        above |= MACHINERY - ({"deepspeed"} if path.parent == ZERO else set())
    return imported(path) & above


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_downwards(layer):
    wrong = {str(f.relative_to(ROOT)): up for f in (ROOT / layer).rglob("*.py") if (up := upward(f, layer))}
    assert not wrong


def test_the_check_itself_sees_an_upward_import(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    from pipelines.cli import main\n    import mlflow.pyfunc\n")
    assert upward(bad, "voco_model") == {"pipelines", "mlflow"}
    assert upward(bad, "components") == {"pipelines"}


def fresh_python(code: str) -> set[str]:
    """The words that a new interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_the_library_imports_no_machinery():
    loaded = fresh_python("import sys, voco_model; print(*{m.split('.')[0] for m in sys.modules})")
    assert "voco_model" in loaded
    assert not loaded & MACHINERY


def test_the_whole_library_imports_where_no_machinery_is_installed():
    code = f"""
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys({sorted(MACHINERY)!r}))  # what is None here cannot be imported
import voco_model
for module in pkgutil.walk_packages(voco_model.__path__, "voco_model."):
    importlib.import_module(module.name)
    print(module.name)
"""
    assert {"voco_model.model", "voco_model.processing.processor"} <= fresh_python(code)
