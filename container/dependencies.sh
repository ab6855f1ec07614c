#!/bin/sh
# Installs all that PredANN-BIDS needs into /opt/predann-bids, for the Dockerfile and for predann-bids.def. Works in the
# directory of constraints.txt and requirements.txt, which list.py makes of pyproject.toml.
#
# COMPILER     Debian packages for torch.compile: Triton compiles a C file with Python's headers for each GPU program it
#              writes. Without a value there is no compiler, and torch.compile cannot be used.
# TORCH_INDEX  an index to take torch and torchaudio from, and nothing else. PyTorch of the default index runs on
#              processors and NVIDIA GPUs and brings some gigabytes of CUDA.
set -eu
here=$PWD
target=/opt/predann-bids
lists=/usr/share/predann-bids
# while Apptainer builds, /tmp is that of the machine
tools=$(mktemp -d)
export TMPDIR="$tools"

if [ -n "${COMPILER:-}" ]; then
    apt-get update
    # shellcheck disable=SC2086 # it is a list
    apt-get install -y --no-install-recommends $COMPILER
    apt-get clean
    rm -rf /var/lib/apt/lists/*
fi

# All are wheels: libsndfile and OpenMP come with them. Bytecode is compiled here because nobody can write it later.
python -m venv "$tools"
"$tools/bin/pip" install --no-cache-dir uv==0.13.9 cyclonedx-bom==7.5.0
export UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1 VIRTUAL_ENV=$target
"$tools/bin/uv" venv "$target"
if [ -n "${TORCH_INDEX:-}" ]; then
    "$tools/bin/uv" pip install --index-url "$TORCH_INDEX" --no-deps -c constraints.txt torch torchaudio
fi
"$tools/bin/uv" pip install -c constraints.txt -r requirements.txt

mkdir -p "$lists"
"$tools/bin/uv" pip freeze >"$lists/python-packages.txt"
dpkg-query --show >"$lists/debian-packages.txt"
"$tools/bin/cyclonedx-py" environment "$target/bin/python" --output-reproducible --output-file "$lists/sbom.cdx.json"

# What has no use at run time: tests of libraries, archives for static linking, headers for C++, symbols for debuggers,
# and the parts of CUDA that no library links to or that only Triton's profiler opens.
cd "$target"/lib/python3*/site-packages
find . -type d -name tests -prune -exec rm -rf {} +
find . -name '*.a' -delete
rm -rf torch/include nvidia/*/include nvidia/nvshmem/lib/*.bc nvidia/cu*/lib/*.alt.so* nvidia/cu*/lib/libcusolverMg.so* \
    triton/backends/nvidia/lib/cupti
if command -v strip >/dev/null; then
    for library in triton/_C/libtriton.so torch/lib/libtorch_cpu.so; do
        if [ -f "$library" ]; then strip --strip-unneeded "$library"; fi
    done
fi
cd "$here"
rm -rf "$tools"
