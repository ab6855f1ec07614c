# Two commands for a newcomer: `make demo` and `make test`. Each sets up .venv when something changed.
PYTHON ?= python3
BIN := .venv/bin
WANTED := --constraint constraints.txt --editable '.[dev]'
INSTALLED := .venv/.installed
DEMO := demo
# uv brings certificates of its own; an institute's proxy has one in the system's store, or in SSL_CERT_FILE, which both
# uv and pip respect. Earlier versions of uv know the older name. Set them to 0 for uv's own certificates.
export UV_SYSTEM_CERTS ?= 1
export UV_NATIVE_TLS ?= 1
# uv does not know how pip is told of a certificate
ifdef PIP_CERT
export SSL_CERT_FILE ?= $(PIP_CERT)
endif

.PHONY: demo test test-cluster bench-gpu lint docs clean

demo: $(INSTALLED)
	@test -d $(DEMO)/bids || $(BIN)/predann-tools simulate $(DEMO)/bids
	@$(BIN)/predann-bids $(DEMO)/bids $(DEMO)/derivatives participant
	@$(BIN)/predann-bids $(DEMO)/bids $(DEMO)/derivatives group

test: $(INSTALLED) lint
	$(BIN)/pytest --numprocesses auto --dist worksteal

# on a cluster with SLURM, or a machine that plays one; not part of `make test`. PARTS=whole does the shortest part alone
test-cluster: $(INSTALLED)
	PATH="$(CURDIR)/$(BIN):$$PATH" tests/cluster/run.sh $(PARTS)

# all that is promised of a GPU, on a machine that has one
bench-gpu: $(INSTALLED)
	cd benchmarks && ../$(BIN)/python gpu.py --json ../gpu.json

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# what is made from the table of options
docs: $(INSTALLED)
	$(BIN)/python -m predann_bids.tools.descriptor

# pip brings uv, and uv the rest: seconds instead of minutes. Where uv fails, pip does it all. Compiled bytecode halves the
# time of imports.
$(INSTALLED): pyproject.toml constraints.txt
	@echo "Installing into .venv. The last step compiles all packages, which takes up to a minute."
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check uv \
		&& $(BIN)/uv pip install --python $(BIN)/python --compile-bytecode $(WANTED) \
		|| $(BIN)/pip install --disable-pip-version-check --compile $(WANTED)
	@touch $@

clean:
	rm -rf .venv $(DEMO)
