# The container of the BIDS App; docs/containers.md says how it is built and run.

FROM python:3.11-slim-bookworm AS wheel
WORKDIR /src
COPY pyproject.toml README.md LICENSE boutiques.json ./
COPY bids_validator_config bids_validator_config
COPY predann_bids predann_bids
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim-bookworm
# The PyTorch of the default package index runs on processors and NVIDIA GPUs and brings some gigabytes of CUDA. Another
# index, such as that of PyTorch's own CPU builds, may hold a smaller one; only torch and torchaudio are taken from it.
ARG TORCH_INDEX=""

# Everything but the package itself, in a layer that changes with the dependencies only. All are wheels: nothing is
# compiled, and libsndfile and OpenMP come with them. Bytecode is compiled here because nobody can write it later.
COPY pyproject.toml constraints.txt /src/
RUN python -m venv /tmp/uv && /tmp/uv/bin/pip install --no-cache-dir uv==0.13.9 \
    && export UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1 VIRTUAL_ENV=/opt/predann-bids \
    && /tmp/uv/bin/uv venv "$VIRTUAL_ENV" \
    && if [ -n "$TORCH_INDEX" ]; then \
        /tmp/uv/bin/uv pip install --index-url "$TORCH_INDEX" --no-deps -c /src/constraints.txt torch torchaudio; fi \
    && /tmp/uv/bin/uv pip install -c /src/constraints.txt -r /src/pyproject.toml \
    && rm -rf /tmp/uv*

COPY --from=wheel /wheels /src/wheels
RUN pip --python /opt/predann-bids/bin/python install --no-cache-dir --no-index --no-deps /src/wheels/*.whl

# Any user id will do, and a read-only root file system: what libraries keep in HOME goes to /tmp. Apptainer replaces
# HOME, and then only matplotlib complains; USER spares PyTorch a look-up that fails for users without an account.
ARG VERSION=0.1.0
ENV PATH=/opt/predann-bids/bin:$PATH \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/.config/matplotlib \
    USER=predann \
    PREDANN_BIDS_CONTAINER=predann-bids:$VERSION
LABEL org.opencontainers.image.title="PredANN-BIDS" \
    org.opencontainers.image.description="A BIDS App that decodes music from EEG with predicted audio representations" \
    org.opencontainers.image.licenses="BSD-3-Clause" \
    org.opencontainers.image.version=$VERSION
USER 1000:1000
ENTRYPOINT ["predann-bids"]
