"""The one command that runs every check: ``python -m tests``."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent

CHECKS = {
    "ruff check": ("-m", "ruff", "check", "."),
    "ruff format": ("-m", "ruff", "format", "--check", "."),
    "mypy": ("-m", "mypy"),
    "import-linter": ("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"),
}


def main() -> int:
    """Run all of them, the tests last, so that the run ends with what pytest says; 0 if all passed."""
    failed = [name for name, arguments in CHECKS.items() if not _passes(name, arguments)]
    print(f"\n{len(CHECKS) - len(failed)} of {len(CHECKS)} static checks passed", flush=True)
    if not _passes("pytest", ("-m", "pytest")):
        failed.append("pytest")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _passes(name: str, arguments: tuple[str, ...]) -> bool:
    print(f"\n── {name}", flush=True)
    start = time.monotonic()
    passes = subprocess.run([sys.executable, *arguments], cwd=ROOT, check=False).returncode == 0
    if name != "pytest":
        print(f"{'passed' if passes else 'FAILED'} in {time.monotonic() - start:.0f} s", flush=True)
    return passes


if __name__ == "__main__":
    sys.exit(main())
