# make workbook   set up, run all chapters, write the report      (DEVICE=cpu|cuda|mps|auto, PROFILE=offline|hub, PAIRS=folder)
# make lab        set up, open chapter 00 in JupyterLab, in work/, a student's own copies
# Each does all the set-up that it needs, and reuses what is there.
# teachers:begin
# make test       set up, run the linters and the tests that a change needs first: five minutes
# make test-all   the other tests: browsers, clusters, damage, processes and all chapters: twelve minutes
# make classroom-kit   a folder for a USB stick: make lab in it needs no network
# make browser-edition   build/browser: the core path for any web server, to read in a browser with nothing installed
# teachers:end

PYTHON  ?= python3
VENV    ?= .venv
DEVICE  ?= auto
PROFILE ?= offline
# no: the student's folder has no solutions; yes: it has them; without either, as the last time
SOLUTIONS ?=
# yes: install exactly the versions of requirements.lock
LOCKED  ?=
# packages and data that came with this folder, for a room without a network
KIT     := $(wildcard kit)
BIN     := $(VENV)/bin
# asked in the shell, and in quotes: the folder may have blanks
CACHE   := "$$($(BIN)/python -c 'from asif_lib.files import cache_dir; print(cache_dir())')"
ASIF    := $(BIN)/asif
DATA    := stamps fashion_mnist
# a set-up with the lock has a mark of its own, because one without the lock may have installed other versions
LOCK    := $(if $(filter yes,$(LOCKED)),.locked)
STUDENT := $(VENV)/.installed-workbook$(LOCK)

export HF_HUB_DISABLE_TELEMETRY := 1
export TOKENIZERS_PARALLELISM := false
unexport PYTHONDONTWRITEBYTECODE  # hundreds of processes would compile what they import

.PHONY: workbook lab setup clean
.NOTPARALLEL:

workbook: setup
	$(BIN)/python -m asif_book.report --device $(DEVICE) --profile $(PROFILE) $(if $(PAIRS),--pairs "$(PAIRS)")

lab: setup
	$(BIN)/python -m asif_book.editions.workspace work $(if $(filter no,$(SOLUTIONS)),--no-solutions)$(if $(filter yes,$(SOLUTIONS)),--solutions)
	JUPYTER_CONFIG_PATH=.jupyter $(BIN)/jupyter lab work --LabApp.default_url=/doc/tree/00_start_here.ipynb $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_ARGS)

setup: $(STUDENT)
	@$(if $(KIT),mkdir -p $(CACHE) && cp -Rn kit/cache/. $(CACHE))
	@echo "set-up: packages are in $(VENV), data and banks in "$(CACHE)
	@$(ASIF) data $(DATA) > /dev/null
	@if [ -d $(CACHE)/banks/stamps ] && $(ASIF) bank info stamps > /dev/null 2>&1; then echo "bank stamps: already here"; \
	else $(ASIF) bank build stamps --device $(DEVICE); fi

$(VENV)/.installed-%$(LOCK): pyproject.toml $(if $(LOCK),requirements.lock)
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("the workbook needs Python 3.11 or newer; this is " + sys.version.split()[0] + "; name another with: make PYTHON=python3.12")'
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(if $(KIT),$(PYTHON) kit/check_kit.py)
	@echo "installing packages into $(VENV): the first time about a minute"
	@$(if $(KIT),,$(BIN)/python -m pip install --quiet "pip>=26" || echo "the pip of Python itself needs twice as long")
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(KIT),--no-index --find-links kit/wheels)$(if $(LOCK),--constraint requirements.lock) -e ".[$*]" --no-compile
	@$(BIN)/python -c 'import torch; from asif_lib.search import top_anchors; top_anchors(torch.eye(2), torch.eye(2), 1)' & search=$$!; \
	$(if $(KIT),,$(ASIF) data $(DATA) > /dev/null;) wait $$search  # the bank finds compiled code
	@touch $(STUDENT) $(STUDENT:.locked=) $@ $(@:.locked=)

clean:
	rm -rf build $(VENV)

# teachers:begin (a student's copy of the workbook has no tests, solutions or sources)
# test files that run at a time, each in about 2 GB of memory; the tests of a file share a cluster or a browser. They
# stay in order: by number of tests, the long files with few tests would come last, and one core would wait
JOBS    ?= 2
PYTEST  := $(BIN)/python -m pytest --durations 20 $(PYTEST_ARGS)
SPREAD  := -n $(JOBS) --dist loadfile --no-loadscope-reorder
# the numerical tests run once more as an ordinary laptop computes, in reverse order and with other hashes
LAPTOP  := MKL_CBWR=COMPATIBLE ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=AVX2 OMP_NUM_THREADS=1 PYTHONHASHSEED=1
NUMERICAL := $(addprefix tests/,bank evaluation explain search test_laws.py test_relative.py test_sparse.py test_zeroshot.py)
CHAPTERS := $(addprefix tests/book/test_,notebooks.py report_browser.py)
TESTER  := $(VENV)/.installed-dev$(LOCK)

.PHONY: test test-all classroom-kit browser-edition browser notebooks results lock lint bench

# the packages of the tests first: they include those of the workbook
test: $(TESTER) setup
	$(BIN)/python -m ruff check .
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m asif_book.editions check
	DEVICE=$(DEVICE) $(PYTEST) $(SPREAD)

# what CI runs in addition
test-all: $(TESTER) setup browser
	DEVICE=$(DEVICE) $(PYTEST) $(SPREAD) -m "complete and not notebooks" --ignore tests/fuzz
	$(PYTEST) -m complete tests/fuzz  # it forks, so no other test may have started threads before
	$(LAPTOP) $(PYTEST) $(SPREAD) --reverse -m "not once and not complete" $(NUMERICAL)
	DEVICE=$(DEVICE) $(PYTEST) -m notebooks $(CHAPTERS)

classroom-kit: setup
	$(BIN)/python -m asif_book.classroom.handout build/classroom-kit --no-solutions --kit

# files of others are compared with Pyodide's lock
browser-edition: setup
	$(BIN)/python -m asif_book.browser.building build/browser
	@echo "to read it: $(PYTHON) -m http.server --directory build/browser"

# a Chromium for the tests in a browser: the one that is there, else Debian's; without one they are skipped
browser: $(TESTER)
	@$(BIN)/python tests/chromium.py
	@$(ASIF) data onnxruntime_web tokenizers_web > /dev/null || echo "the tests of pictures that are encoded in a browser are skipped"

# the student and the solved edition, from notebooks/source
notebooks: $(STUDENT)
	$(BIN)/python -m asif_book.editions build

# the numbers of one run of all chapters, into their page
results: setup
	$(BIN)/python -m asif_book.report --results notebooks/results.md

# the versions of the packages that are installed here, for LOCKED=yes; run it where `make test` has passed
lock: $(TESTER)
	@{ head -n 2 requirements.lock; $(BIN)/python -m pip freeze --exclude-editable | sed 's/+.*//'; } > build/lock
	@mv build/lock requirements.lock

lint: $(TESTER)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/codespell

bench: $(TESTER) setup
	$(BIN)/python benchmarks $(BENCH_ARGS)
# teachers:end
