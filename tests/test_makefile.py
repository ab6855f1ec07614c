"""Installing by `make`, with programs in place of Python, pip and uv that write down how they are called."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = """#!/bin/sh
mkdir -p .venv/bin
for name in pip uv; do
    printf '#!/bin/sh\\necho %s "$*" system=$UV_SYSTEM_CERTS$UV_NATIVE_TLS file=$SSL_CERT_FILE >> log\\n' $name \
        > .venv/bin/$name
    # pip fails to install uv, uv fails at all
    case " $FAILING " in *" $name "*) echo 'case "$*" in *uv*|pip*) exit 1; esac' >> .venv/bin/$name; esac
    chmod +x .venv/bin/$name
done
"""


@pytest.fixture
def install(tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)

    def install(**environment):
        certificates = {"UV_SYSTEM_CERTS", "UV_NATIVE_TLS", "SSL_CERT_FILE", "PIP_CERT", "MAKEFLAGS", "MAKELEVEL"}
        inherited = {name: value for name, value in os.environ.items() if name not in certificates}
        command = ["make", "PYTHON=./python", ".venv/.installed"]
        done = subprocess.run(command, cwd=tmp_path, env=inherited | environment, capture_output=True, check=False)
        return done.returncode, (tmp_path / "log").read_text().splitlines()

    return install


def test_uv_trusts_the_certificates_of_the_system(install):
    code, (_, uv) = install()
    assert code == 0
    assert uv.startswith("uv pip install")
    assert uv.endswith("--constraint constraints.txt --editable .[dev] system=11 file=")


@pytest.mark.parametrize(
    ("environment", "end"),
    [
        ({"SSL_CERT_FILE": "/a.pem"}, "system=11 file=/a.pem"),
        ({"PIP_CERT": "/b.pem"}, "system=11 file=/b.pem"),
        ({"PIP_CERT": "/b.pem", "SSL_CERT_FILE": "/a.pem"}, "system=11 file=/a.pem"),
        ({"UV_SYSTEM_CERTS": "0", "UV_NATIVE_TLS": "0"}, "system=00 file="),
    ],
)
def test_what_the_user_has_set_is_respected(install, environment, end):
    code, lines = install(**environment)
    assert code == 0
    assert lines[-1].endswith(end)


@pytest.mark.parametrize(("failing", "calls"), [("uv", ["pip", "uv", "pip"]), ("pip", ["pip", "pip"])])
def test_where_uv_fails_pip_installs_the_same(install, failing, calls):
    code, lines = install(FAILING=failing)
    assert [line.split()[0] for line in lines] == calls
    assert lines[-1].startswith("pip install")
    assert "--constraint constraints.txt --editable .[dev]" in lines[-1]
    assert code == 0
