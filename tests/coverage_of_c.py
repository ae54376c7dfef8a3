"""Which lines and branches of C the tests reach, in a table by file: python tests/coverage_of_c.py [PYTEST-ARGUMENT...]

Builds a copy of the tree with CTHREADING_COVERAGE=1, with a virtual environment of its own, runs the tests there and
asks gcov. --missing prints the numbers of the lines that were not reached, --keep FOLDER leaves the copy there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
IGNORED = shutil.ignore_patterns(".git", ".venv", "build", "*.so", "*.egg-info", "__pycache__", ".*_cache")

# Children of a fork end by os._exit, which writes no counts, and neither does the signal by which the interpreter kills
# itself after a KeyboardInterrupt.
SITE = """
import atexit
import os
import sys

def flush():
    core = sys.modules.get("cthreading._core")
    if core is not None:
        try:
            import ctypes
        except ImportError:
            return  # in an interpreter with a GIL of its own
        ctypes.PyDLL(core.__file__).coverage_flush()

def flush_and_exit(status, exit=os._exit):
    flush()
    exit(status)

os._exit = flush_and_exit
atexit.register(flush)
"""


def build(folder: Path) -> Path:
    """Returns the Python that has the module."""
    subprocess.run([sys.executable, "-m", "venv", folder / ".venv"], check=True)
    python = folder / ".venv" / "bin" / "python"
    environment = os.environ | {"CTHREADING_COVERAGE": "1"}
    subprocess.run([python, "-m", "pip", "-q", "install", "setuptools", "pytest", "pytest-timeout"], check=True)
    subprocess.run([python, "setup.py", "-q", "build_ext", "--inplace"], cwd=folder, env=environment, check=True)
    place = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[0])"], capture_output=True, text=True, check=True
    ).stdout.strip()
    Path(place, "sitecustomize.py").write_text(SITE)
    return python


def covered(folder: Path) -> dict[str, tuple[dict[int, int], list[int]]]:
    """By file: how often each line ran, and each branch."""
    lines: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    branches: dict[str, dict[tuple[int, int], int]] = defaultdict(lambda: defaultdict(int))
    for notes in sorted(folder.glob("build/**/*.gcno")):
        done = subprocess.run(
            ["gcov", "--branch-probabilities", "--json-format", "--stdout", str(notes)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        for document in done.stdout.splitlines():
            for file in json.loads(document)["files"]:
                if not file["file"].startswith("src/"):
                    continue
                for line in file["lines"]:
                    number = line["line_number"]
                    lines[file["file"]][number] += line["count"]
                    for index, branch in enumerate(line["branches"]):
                        branches[file["file"]][number, index] += branch["count"]
    return {name: (dict(found), list(branches[name].values())) for name, found in sorted(lines.items())}


def share(counts: list[int]) -> str:
    reached = sum(count > 0 for count in counts)
    return f"{reached:5} of {len(counts):5}  {100 * reached / len(counts) if counts else 100:5.1f} %"


def show(files: dict[str, tuple[dict[int, int], list[int]]], missing: bool) -> None:
    print(f"{'':34} {'lines':>22} {'branches':>24}")
    for name, (lines, branches) in files.items():
        print(f"{name:34} {share([*lines.values()]):>22}   {share(branches):>22}")
        if missing:
            print(f"    not reached: {' '.join(str(number) for number, count in sorted(lines.items()) if not count)}")
    lines_of_all = [count for lines, _ in files.values() for count in lines.values()]
    branches_of_all = [count for _, branches in files.values() for count in branches]
    print(f"{'all':34} {share(lines_of_all):>22}   {share(branches_of_all):>22}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="a folder that does not exist yet")
    parser.add_argument("--missing", action="store_true", help="print the numbers of the lines that were not reached")
    arguments, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary, "tree")
        shutil.copytree(TREE, folder, ignore=IGNORED)
        python = build(folder)
        # Children write their counts as well, wherever they run: the paths in the objects are absolute.
        status = subprocess.run([python, "-m", "pytest", "-q", *options], cwd=folder, check=False).returncode
        show(covered(folder), arguments.missing)
    return status


if __name__ == "__main__":
    sys.exit(main())
