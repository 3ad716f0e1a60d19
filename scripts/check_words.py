"""Checks names, docstrings and sentences against the writing guide: `python -m scripts.check_words [PATH ...]`.

The rules are in `scripts/words/rules.py`; CONTRIBUTING.md explains them. A finding that is right as it is gets an entry in
`scripts/words/exceptions.toml`, with a reason. An entry that no finding needs any more is an error too.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.words.documents import read_grafana, read_html, read_markdown, read_sdl, read_yaml
from scripts.words.model import Content, Finding, Rule
from scripts.words.python_source import read_python
from scripts.words.rules import check
from scripts.words.script_source import read_script, read_svelte

ROOT: Final = Path(__file__).resolve().parents[1]
EXCEPTIONS: Final = ROOT / "scripts" / "words" / "exceptions.toml"

READERS: Final[Mapping[str, Callable[[str], Content]]] = {
    ".py": read_python,
    ".ts": read_script,
    ".svelte": read_svelte,
    ".md": read_markdown,
    ".graphql": read_sdl,
    ".yaml": read_yaml,
    "frontend_static/index.html": read_html,
}
"""The reader for each kind of file, by the end of its path."""

GRAFANA: Final = "examples/grafana/"
"""The folder of the dashboards. Other JSON files are not checked."""

SKIPPED: Final = (
    "docs/schema/",  # a released contract: its words cannot change
    "frontend_static/src/api/schema.d.ts",  # generated
    "backend/db/migrations/versions/",  # history
    "examples/datacenter/",  # names and notes of a site
)


@dataclass(frozen=True, slots=True)
class Exemption:
    """One finding that is right as it is. `excerpt` is quoted from the finding."""

    path: str
    rule: Rule
    excerpt: str
    reason: str

    def covers(self, finding: Finding) -> bool:
        """Return whether this entry excuses the finding."""
        return (self.path, self.rule, self.excerpt) == (finding.path, finding.rule, finding.excerpt)


def load_exemptions(path: Path = EXCEPTIONS) -> list[Exemption]:
    """Return the exceptions of the file. Raises ValueError for an entry without a reason."""
    entries = tomllib.loads(path.read_text()).get("exception", [])
    exemptions = [Exemption(e["path"], Rule(e["rule"]), e["excerpt"], e.get("reason", "")) for e in entries]
    for exemption in exemptions:
        if not exemption.reason.strip():
            raise ValueError(f"{path.name}: the exception for {exemption.path} has no reason")
    return exemptions


def find(paths: Iterable[str], root: Path = ROOT) -> list[Finding]:
    """Return the findings of the files, sorted by place. `paths` are relative to `root`."""
    findings = list[Finding]()
    for path in paths:
        reader = _reader_of(path)
        if reader is not None and not path.startswith(SKIPPED):
            findings += check(path, reader((root / path).read_text()))
    return sorted(findings, key=lambda finding: (finding.path, finding.line))


def _reader_of(path: str) -> Callable[[str], Content] | None:
    if path.startswith(GRAFANA) and path.endswith(".json"):
        return read_grafana
    return next((reader for end, reader in READERS.items() if path.endswith(end)), None)


def tracked_files(patterns: Sequence[str]) -> list[str]:
    """Return the paths of the files that git tracks or would add, relative to the root."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for path in listing.stdout.splitlines() if (ROOT / path).is_file()]


def main(arguments: Sequence[str]) -> int:
    """Print the findings. Return 1 if there are any, or an exception that nothing needs."""
    exemptions = load_exemptions()
    findings = find(tracked_files(arguments))
    rest = [f for f in findings if not any(e.covers(f) for e in exemptions)]
    unused = [] if arguments else [e for e in exemptions if not any(e.covers(f) for f in findings)]
    for finding in rest:
        print(finding)
    for exemption in unused:
        print(f"{EXCEPTIONS.name}: nothing needs the exception for {exemption.path}: {exemption.excerpt!r}")
    if rest or unused:
        print(f"{len(rest)} findings, {len(unused)} unused exceptions")
        return 1
    print(f"words: no findings, {len(exemptions)} exceptions")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
