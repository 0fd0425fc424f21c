# The maintainers' commands. `just` lists them; every recipe is plain commands that can also be typed without it.
# The programs are those of .venv; `just bin=FOLDER RECIPE` takes another environment's.

bin := justfile_directory() / ".venv" / if os_family() == "windows" { "Scripts" } else { "bin" }
python := bin / "python"

_list:
    @"{{ just_executable() }}" --list --unsorted

# Make .venv with everything that the other recipes need, and have Git run the checks of .pre-commit-config.yaml.
setup:
    {{ if os_family() == "windows" { "python" } else { "python3" } }} -m venv .venv
    "{{ bin }}/pip" install -q -e ".[dev]"
    "{{ bin }}/pre-commit" install

# Repair what can be repaired by a program: imports, order, format.
fix:
    "{{ bin }}/ruff" check --fix .
    "{{ bin }}/ruff" format .

# Check style and format, and the files that agents read.
lint:
    "{{ bin }}/ruff" check .
    "{{ bin }}/ruff" format --check .
    "{{ bin }}/skillsaw" lint .

# Check types, strictly and without exceptions, also as Windows and macOS have them.
types:
    "{{ bin }}/pyright" --pythonpath "{{ python }}"
    "{{ bin }}/pyright" --pythonpath "{{ python }}" --pythonplatform Windows seedance_mcp
    "{{ bin }}/pyright" --pythonpath "{{ python }}" --pythonplatform Darwin seedance_mcp

# Run the fast tests, which is the inner loop: half a minute on two cores.
test *arguments:
    "{{ python }}" -m pytest -m "not slow" {{ arguments }}

# Run all tests that install nothing, and require every branch to be covered.
test-all *arguments:
    "{{ python }}" -m pytest --cov {{ arguments }}

# Rewrite what the code derives: the tables of the documents, the snapshots of the opening and of each tool.
docs:
    UPDATE=1 "{{ python }}" -m pytest -n 0 tests/test_documents.py tests/instant tests/server/test_snapshots.py

# Make the moving picture of the README anew, from films of the sandbox; look at it before it is committed.
picture:
    "{{ python }}" docs/picture.py

# Make the Claude Code plugin with its marketplace and the Gemini CLI extension, in dist/packages.
packages:
    "{{ python }}" packages/make.py

# Resolve anew what the image installs, into deploy/image.lock and deploy/build.lock.
lock:
    "{{ python }}" packages/lock.py

# Build the source archive and the wheel into dist/release, and check what the package index will make of them.
build:
    "{{ python }}" -m build --outdir dist/release
    "{{ bin }}/twine" check --strict dist/release/*

# Install the built wheel in an empty environment and make the demo's films from it; then as the image does, from its lock.
rehearse:
    "{{ python }}" packages/rehearse.py

# Write the SBOM of the rehearsed image (CycloneDX), dist/seedance-mcp.cdx.json.
sbom:
    "{{ python }}" packages/sbom.py

# Measure; without a name every part of BENCHMARKS.md.
bench *parts:
    "{{ python }}" tests/bench {{ parts }}

# Run everything that a change must pass: lint, types, the README's commands, and the tools of others.
gate:
    .ci/run
