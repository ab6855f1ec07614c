"""The arrows between the folders, and circles between modules, read from the import statements."""

import ast
from functools import cache
from pathlib import Path

import networkx
import pytest

import predann_bids

ROOT = Path(predann_bids.__file__).parent
COMMON = {"arrays", "config", "surroundings", "timing", "errors", "files", "registry", "predann_bids"}
ALLOWED = {
    "config": set(),
    "surroundings": set(),
    "bids": set(),
    "signals": set(),
    "data": {"bids", "signals"},
    "models": {"signals"},
    "learning": {"models", "data", "signals"},
    "report": {"learning", "data", "bids", "signals"},
    "workflows": {"learning", "report", "data", "models", "bids", "signals", "progress", "console"},
    "tools": {"cli", "command", "options", "console", "progress", "bids", "signals", "workflows"},
}
MOST_MODULES = 13  # in a folder


def module_of(file):
    parts = file.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): file for file in sorted(ROOT.rglob("*.py"))}


@cache
def imported(file):
    """Modules of this package that a file imports anywhere, inside functions and for type checks as well."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
    names = {name for name in names if name in MODULES}
    # `from package import module` is an import of the module, not of what the package hands on
    return {name for name in names if not any(other.startswith(f"{name}.") for other in names)}


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_imports_point_downwards_only(folder):
    for file in (ROOT / folder).rglob("*.py"):
        folders = {([*name.split("."), "predann_bids"])[1] for name in imported(file)}
        beyond = folders - ALLOWED[folder] - COMMON - {folder}
        assert not beyond, f"{file.relative_to(ROOT)} imports {beyond}"


def test_every_folder_has_its_arrows():
    assert {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()} == set(ALLOWED)


def test_no_modules_import_each_other_in_a_circle():
    graph = networkx.DiGraph((module, name) for module, file in MODULES.items() for name in imported(file))
    graph.remove_node("predann_bids")  # the public door opens onto everything
    assert list(networkx.simple_cycles(graph)) == []


@pytest.mark.parametrize("folder", sorted({file.parent for file in MODULES.values()}), ids=lambda f: f.name)
def test_nobody_has_to_search_a_folder(folder):
    assert sum(file.name != "__init__.py" for file in folder.glob("*.py")) <= MOST_MODULES


def test_decoders_are_told_apart_nowhere_but_in_models():
    for module, file in MODULES.items():
        if module.startswith("predann_bids.models"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("isinstance", "issubclass"):
                assert "Decoder" not in ast.unparse(node.args[1]), f"{file}:{node.lineno}"
                assert "Network" not in ast.unparse(node.args[1]), f"{file}:{node.lineno}"


def test_models_import_little_at_once():
    light = {"torch", "torchaudio", "numpy", "predann_bids", "__future__", "abc", "collections", "dataclasses"}
    light |= {"functools", "pathlib", "typing", "zipfile", "pickle", "sys", "_compat_pickle", "hashlib", "struct"}
    light |= {"contextlib", "fractions", "importlib", "itertools", "json", "math", "os", "tempfile", "warnings"}
    for file in (ROOT / "models").rglob("*.py"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ImportFrom):
                assert node.module.split(".")[0] in light, f"{file} imports {node.module}"
            elif isinstance(node, ast.Import):
                assert {name.name.split(".")[0] for name in node.names} <= light, file


@pytest.mark.parametrize("file", sorted(ROOT.rglob("*.py")), ids=lambda file: str(file.relative_to(ROOT)))
def test_importing_prints_nothing_and_catches_nothing_silently(file):
    for node in ast.walk(ast.parse(file.read_text())):
        assert not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print")
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None)
