"""Docstrings say what each of many parameters is."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import predann_bids

ROOT = Path(predann_bids.__file__).parent
MANY = 4
CHECKED = sorted(path.name for path in ROOT.iterdir() if path.suffix == ".py" or path.is_dir())


def parameters(function):
    arguments = function.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    names += [a.arg for a in (arguments.vararg, arguments.kwarg) if a]
    return [name for name in names if name not in ("self", "cls")]


def documented(docstring):
    section = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}$|\Z)", inspect.cleandoc(docstring), re.MULTILINE | re.DOTALL
    )
    entries = re.findall(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*) *(?::|$)", section[1] if section else "", re.MULTILINE)
    return {name.strip("*") for entry in entries for name in entry.split(", ")}


def undocumented(tree, inside=""):
    """Yield public functions whose docstring leaves out parameters, and the names of these.

    Functions without a docstring are left to ruff, which accepts only those that inherit one.
    """
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from undocumented(node, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and (node.name == "__init__" or not node.name.startswith("_")):
            docstring = ast.get_docstring(tree if node.name == "__init__" else node)
            missing = set(parameters(node)) - documented(docstring or "")
            if docstring and len(parameters(node)) >= MANY and missing:
                yield f"{inside}{node.name}", sorted(missing)


@pytest.mark.parametrize("name", CHECKED)
def test_public_functions_of_four_parameters_or_more_document_all_of_them(name):
    files = [ROOT / name] if name.endswith(".py") else sorted((ROOT / name).rglob("*.py"))
    gaps = {str(file.relative_to(ROOT)): dict(undocumented(ast.parse(file.read_text()))) for file in files}
    assert not {file: functions for file, functions in gaps.items() if functions}


def test_a_parameter_that_a_docstring_leaves_out_is_noticed():
    documentation = "Do.\n\n    Parameters\n    ----------\n    a, b : int\n        Two.\n    c\n        One.\n    "
    plain = ast.parse(f'def act(a, b, c, *, d=0):\n    """{documentation}"""')
    assert dict(undocumented(plain)) == {"act": ["d"]}
    complete = ast.parse(f'def act(a, b, c, *d):\n    """{documentation}*d : int\n        More.\n    """')
    assert not dict(undocumented(complete))
