"""Damaged files at the command line, by the dozen: exit code 0 or 1, no traceback, nothing half-written."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from command import Command, Done
from limited import run_limited

CASES = 8  # damaged files a command


def spoil(data: bytes, rng: np.random.Generator) -> bytes:
    """The file with flipped bytes in its header, its whole or its end, with a hole, or cut."""
    spoilt = bytearray(data)
    kind = rng.choice(["header", "whole", "end", "hole", "cut"])
    start = int(rng.integers(len(data)))
    if kind == "hole":
        del spoilt[start : start + 1000]
    elif kind == "cut":
        del spoilt[start:]
    else:
        low, high = {"header": (0, 2000), "whole": (0, len(data)), "end": (len(data) - 700, len(data))}[kind]
        for at in rng.integers(low, min(high, len(data)), rng.integers(1, 31)):
            spoilt[at] = rng.integers(256)
    return bytes(spoilt)


def assert_says_at_most(done: Done, lines: int) -> None:
    """A failure is one line; before it, or without it, a video that is transcoded or rejected has a line of its own."""
    assert done.code in (0, 1), done
    said = done.err.splitlines()
    assert len(said) <= lines, done.err
    assert all(line.startswith("hybridnet: ") for line in said), done.err
    assert said or done.code == 0
    assert "Traceback" not in done.out + done.err


@pytest.mark.parametrize("command", ["run", "simulate", "inspect", "prepare"])
def test_videos(hybridnet: Command, tiny_bundle: Path, clip: Path, tmp_path: Path, command: str) -> None:
    video, result = tmp_path / clip.name, tmp_path / "result"
    for case in range(CASES):
        video.write_bytes(spoil(clip.read_bytes(), np.random.default_rng((*command.encode(), case))))
        arguments = {
            "run": (tiny_bundle, video),
            "simulate": (tiny_bundle, video, "--trace", result),
            "inspect": (video, "--png", result),
            "prepare": (video, "-o", result, "--workers", 1),
        }[command]
        done = hybridnet(command, *arguments)
        assert_says_at_most(done, 2)
        left = {*os.listdir(tmp_path)} - {clip.name}
        assert left <= {result.name}
        if command in ("simulate", "inspect"):
            assert (left == {result.name}) == (done.code == 0)
        if command == "prepare" and result.is_dir():
            assert {*os.listdir(result)} <= {".lock", "index.jsonl", clip.name}
            shutil.rmtree(result)
        result.unlink(missing_ok=True)


def test_a_folder_of_videos(hybridnet: Command, tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    for case in range(CASES):
        data = spoil(clip.read_bytes(), np.random.default_rng(case))
        (tmp_path / f"{case}.avi").write_bytes(data)
    assert_says_at_most(hybridnet("run", tiny_bundle, tmp_path, "--json"), CASES + 1)


APART = """
import sys
from pathlib import Path
from deploy.cli import main
for arguments in Path(sys.argv[1]).read_text().splitlines():
    print("case", arguments, file=sys.stderr, flush=True)
    sys.argv = ["hybridnet", *arguments.split("\\t")]
    try:
        main()
    except SystemExit as left:
        assert left.code in (0, 1, None), left.code
"""


def run_apart(calls: list[tuple[object, ...]], script: Path) -> None:
    """Run those commands, one after the other, in an interpreter of their own; each says at most one line on stderr."""
    script.write_text("\n".join("\t".join(map(str, call)) for call in calls))
    command = [sys.executable, "-X", "faulthandler", "-c", APART, str(script)]
    done = run_limited(script.parent.name, command, "stderr")
    assert done.returncode == 0, done.stderr[-3000:]
    cases = done.stderr.split("case ")[1:]
    assert len(cases) == len(calls)
    for case in cases:
        assert all(line.startswith("hybridnet: ") for line in case.splitlines()[1:]), case
        assert len(case.splitlines()) <= 2, case


def test_nets(tiny_bundle: Path, tmp_path: Path) -> None:
    calls: list[tuple[object, ...]] = []
    data = (tiny_bundle / "motion.net").read_bytes()
    for case in range(10 * CASES):
        path = tmp_path / f"{case}.net"
        path.write_bytes(spoil(data, np.random.default_rng(case)))
        calls.append(("inspect", path))
    run_apart(calls, tmp_path / "calls")


def test_manifests(tiny_bundle: Path, tmp_path: Path) -> None:
    calls: list[tuple[object, ...]] = []
    for case in range(2 * CASES):
        bundle = Path(shutil.copytree(tiny_bundle, tmp_path / f"{case}"))
        manifest = bundle / "manifest.json"
        manifest.write_bytes(spoil(manifest.read_bytes(), np.random.default_rng(case)))
        calls += [("inspect", bundle), ("verify", bundle)]
    run_apart(calls, tmp_path / "calls")
