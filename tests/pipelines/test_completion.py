"""Completion as a real bash does it."""

import shutil
import subprocess

import pytest

from pipelines.cli import main


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """What `voco completion bash` prints."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["completion", "bash"]) == 0
    path = tmp_path_factory.mktemp("completion") / "voco.bash"
    path.write_text(out.getvalue())
    return path


def completed(script, line: str, folder) -> set[str]:
    """What bash offers for the last word of a line."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    code = f"""
source '{script}'
COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'; COMP_POINT={len(line)}
function=$(complete -p voco | sed 's/.*-F \\([^ ]*\\).*/\\1/')
$function voco '{words[-1]}' '{words[-2]}'
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "--norc", "-c", code], capture_output=True, text=True, timeout=30, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    return {one.strip() for one in done.stdout.splitlines() if one.strip()}


def test_bash_completes_commands_options_choices_and_files(script, tmp_path):
    (tmp_path / "recipe.yaml").touch()
    assert {"submit", "schedule", "doctor", "dry-run"} <= completed(script, "voco ", tmp_path)
    assert completed(script, "voco sche", tmp_path) == {"schedule"}
    assert completed(script, "voco schedule ", tmp_path) >= {"create", "update", "pause", "delete"}
    assert {"--profile", "--wait"} <= completed(script, "voco submit --", tmp_path)
    assert completed(script, "voco submit --wa", tmp_path) == {"--wait"}
    assert completed(script, "voco schedule create eva", tmp_path) == {"evaluation"}
    assert completed(script, "voco instruct --config rec", tmp_path) == {"recipe.yaml"}
    assert completed(script, "voco completion ", tmp_path) >= {"bash", "zsh"}


def test_zsh_s_script_names_every_command(capsys, tmp_path):
    assert main(["completion", "zsh"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("#compdef voco")
    for command in ("submit", "dry-run", "schedule"):
        assert f"{command}:" in text
    if shutil.which("zsh"):
        (tmp_path / "_voco").write_text(text)
        done = subprocess.run(["zsh", "-n", str(tmp_path / "_voco")], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
