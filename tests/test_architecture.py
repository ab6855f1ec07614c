"""The arrows between the folders, read from the import statements."""

import ast
from pathlib import Path

import pytest

import predann_bids

ROOT = Path(predann_bids.__file__).parent
COMMON = {"arrays", "config", "timing", "errors", "files", "registry", "predann_bids"}
ALLOWED = {
    "bids": set(),
    "signals": set(),
    "data": {"bids", "signals"},
    "models": set(),
    "learning": {"models", "data"},
    "report": {"learning", "data", "bids", "signals"},
    "workflows": {"learning", "report", "data", "models", "bids", "signals", "progress", "console"},
    "tools": {"cli", "command", "options", "progress", "console", "bids", "signals", "workflows"},
}


def imports(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "predann_bids":
            parts = node.module.split(".")
            yield parts[1] if len(parts) > 1 else "predann_bids"
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.name.startswith("predann_bids."):
                    yield name.name.split(".")[1]


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_imports_point_downwards_only(folder):
    for file in (ROOT / folder).rglob("*.py"):
        beyond = set(imports(file)) - ALLOWED[folder] - COMMON - {folder}
        assert not beyond, f"{file.relative_to(ROOT)} imports {beyond}"


def test_every_folder_has_its_arrows():
    assert {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()} == set(ALLOWED)


def test_models_need_torch_alone():
    for file in (ROOT / "models").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                assert name.split(".")[0] in {
                    "torch",
                    "torchaudio",
                    "predann_bids",
                    "__future__",
                    "collections",
                    "dataclasses",
                    "typing",
                }


@pytest.mark.parametrize("file", sorted(ROOT.rglob("*.py")), ids=lambda file: str(file.relative_to(ROOT)))
def test_importing_prints_nothing_and_catches_nothing_silently(file):
    for node in ast.walk(ast.parse(file.read_text())):
        assert not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print")
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None)
