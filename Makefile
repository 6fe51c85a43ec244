# Thin targets over CMake presets; `make` alone lists them.
MODEL_DEFAULT := models/all-MiniLM-L6-v2
MODEL ?= $(MODEL_DEFAULT)
ARGS ?=
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60

.PHONY: help serve test sanitize model build bench fuzz clean
help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{printf "  make %-9s %s\n", $$1, $$2}'
	@echo '  variables: MODEL=DIR (any BERT directory in Hugging Face layout), ARGS="--listen 127.0.0.1:18080" for serve and bench'

serve: build model ## install what is missing, fetch the model, build, serve it
	build/release/beeline serve $(MODEL) $(ARGS)

test: model ## install what is missing, fetch the model, build, run every test
	@docker/install.sh build test check
	@! command -v nvcc >/dev/null || docker/install.sh cuda
	@cmake --preset release >build/release.log 2>&1 || { cat build/release.log; exit 1; }
	@cmake --build build/release -j $(JOBS)
	ctest --test-dir build/release --output-on-failure -j $(JOBS)
	@sed -n 's/^-- CUDA: /CUDA: /p' build/release.log

sanitize: model ## the suite under ASan+UBSan, then under TSan
	@docker/install.sh build test check
	@for preset in asan tsan; do \
	    cmake --preset $$preset && cmake --build build/$$preset -j $(JOBS) && \
	    ctest --test-dir build/$$preset --output-on-failure -j $(JOBS) || exit 1; \
	done

model: ## fetch all-MiniLM-L6-v2 (no network when it is there)
	@docker/install.sh build
	@mkdir -p build
	@[ "$(MODEL)" != "$(MODEL_DEFAULT)" ] || python3 docker/fetch_model.py $(MODEL_DEFAULT)

build: ## build/release/beeline and build/release/beeline-bench
	@docker/install.sh build test
	@mkdir -p build
	@cmake --preset release >build/release.log 2>&1 || { cat build/release.log; exit 1; }
	@cmake --build build/release -j $(JOBS)
	@sed -n 's/^-- CUDA: /CUDA: /p' build/release.log

bench: build model ## a short honest version of every benchmark on this machine; opens with a table
	@python3 bench/short.py $(MODEL) $(ARGS)

fuzz: ## each fuzz driver for FUZZ_SECONDS (60)
	@docker/install.sh build fuzz
	@cmake --preset fuzz && cmake --build build/fuzz -j $(JOBS)
	@for corpus in tests/fuzz/corpus/*/; do \
	    name=$$(basename $$corpus); mkdir -p build/fuzz/found/$$name; echo "fuzz $$name"; \
	    build/fuzz/tests/fuzz_$$name -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -verbosity=0 \
	        -artifact_prefix=build/fuzz/$$name- build/fuzz/found/$$name $$corpus || exit 1; \
	done

clean: ## remove build/ (the model stays)
	rm -rf build
