"""Print what the package depends on, a line each, from pyproject.toml in the working directory."""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
sys.stdout.writelines(f"{requirement}\n" for requirement in project["dependencies"])
