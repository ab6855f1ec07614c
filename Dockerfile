# The container of the BIDS App; docs/containers.md says how it is built and run.

FROM python:3.11-slim-bookworm AS wheel
WORKDIR /src
RUN pip install --no-cache-dir "hatchling>=1.27"
COPY pyproject.toml README.md LICENSE boutiques.json container/list.py ./
RUN python list.py >requirements.txt
COPY bids_validator_config bids_validator_config
COPY predann_bids predann_bids
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.11-slim-bookworm
# container/dependencies.sh says what these are. The layer changes with the dependencies only, and not with whatever else
# changes in pyproject.toml.
ARG COMPILER="gcc libc6-dev"
ARG TORCH_INDEX=""
COPY --from=wheel /src/requirements.txt /src/
COPY constraints.txt container/dependencies.sh /src/
RUN cd /src && sh dependencies.sh

# Any user id will do, and a read-only root file system: what libraries keep in HOME goes to /tmp. Apptainer replaces
# HOME, and then only matplotlib complains; USER spares PyTorch a look-up that fails for users without an account.
ENV PATH=/opt/predann-bids/bin:$PATH \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/.config/matplotlib \
    USER=predann

# VARIANT is appended to the tag, such as -cpu.
ARG VERSION=0.1.0
ARG VARIANT=""
ENV PREDANN_BIDS_CONTAINER=predann-bids:$VERSION$VARIANT
LABEL org.opencontainers.image.title="PredANN-BIDS" \
    org.opencontainers.image.description="A BIDS App that decodes music from EEG with predicted audio representations" \
    org.opencontainers.image.authors="The PredANN-BIDS developers" \
    org.opencontainers.image.licenses="BSD-3-Clause" \
    org.opencontainers.image.version=$VERSION \
    org.opencontainers.image.base.name="python:3.11-slim-bookworm" \
    org.label-schema.schema-version="1.0" \
    org.label-schema.name="PredANN-BIDS" \
    org.label-schema.description="A BIDS App that decodes music from EEG with predicted audio representations" \
    org.label-schema.version=$VERSION \
    org.label-schema.docker.cmd="docker run --rm -v BIDS_DIR:/data:ro -v OUTPUT_DIR:/out predann-bids:$VERSION$VARIANT /data /out participant"
ENTRYPOINT ["predann-bids"]

# What follows is done again after each change of the code. The links are for login shells, in which some runners start
# the program, and which set PATH anew.
COPY --from=wheel /wheels /src/wheels
RUN pip --python /opt/predann-bids/bin/python install --no-cache-dir --no-index --no-deps /src/wheels/*.whl \
    && ln -s /opt/predann-bids/bin/predann-* /usr/local/bin/

# The commit and the time, if the builder says so.
ARG REVISION=""
ARG CREATED=""
ENV PREDANN_BIDS_REVISION=$REVISION
LABEL org.opencontainers.image.revision=$REVISION \
    org.opencontainers.image.created=$CREATED \
    org.label-schema.vcs-ref=$REVISION \
    org.label-schema.build-date=$CREATED
USER 1000:1000
