"""The README's tree names every source file, and no file that is not there."""

import re
import subprocess
from pathlib import Path

from voco_model.mask_picture import as_text, example_row, mask_of

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def tree_files() -> set[str]:
    """Paths of the tree, from its indentation."""
    found, folders = set(), []
    for line in README.split("## The tree")[1].split("```")[1].splitlines():
        if not line.strip():
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        name, comment = re.match(r"\s*(\S+)\s*(.*)", line).groups()
        assert comment or name.endswith("/"), f"{name} has no comment"
        del folders[depth:]
        folders.append(name)
        if not name.endswith("/"):
            found.add("".join(folders))
    return found


def test_the_tree_is_true():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    sources = {
        f
        for f in listed
        if f.endswith(".py") and f.split("/")[0] in ("voco_model", "components", "data", "pipelines")
    }
    named = tree_files()
    assert named >= sources, sorted(sources - named)
    assert all((ROOT / name).is_file() for name in named), sorted(n for n in named if not (ROOT / n).is_file())


def test_the_commands_of_the_makefile_are_there():
    makefile = (ROOT / "Makefile").read_text()
    for command in set(re.findall(r"(?:^|`)make (\w+)", README, re.MULTILINE)):
        assert re.search(rf"^{command}:", makefile, re.MULTILINE), command


def test_the_picture_of_the_rule_is_what_the_command_prints():
    row = example_row("p1 v4 c2 t3")
    printed = as_text(row, mask_of(row)).splitlines()
    shown = README.split("prints who sees whom")[1].split("```")[1].splitlines()
    for line in (text for text in shown if "█" in text):
        assert line.split("     ")[0] in printed
