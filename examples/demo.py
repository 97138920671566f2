"""The demo behind `make demo`: the shipped model exported, verified, run and priced, by the commands a user would type.

python examples/demo.py DIR
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(os.path.relpath(Path(__file__).parent))
HYBRIDNET = Path(sys.executable).with_name("hybridnet")


def show(*command: object) -> None:
    """Print a command as it is typed, run it, stop if it fails."""
    words = [str(word) for word in command]
    typed = [Path(words[0]).name, *words[1:]]
    print("\n$", *typed, flush=True)
    if subprocess.run(words, check=False).returncode:
        sys.exit(f"demo: `{' '.join(typed)}` failed; what it says above is the reason")


start = time.perf_counter()
folder = Path(sys.argv[1])
folder.mkdir(exist_ok=True)
checkpoint, bundle = HERE / "tiny" / "model.safetensors", folder / "tiny.bundle"

show(HYBRIDNET, "export", checkpoint, "-o", bundle)
show(HYBRIDNET, "verify", bundle)
show(HYBRIDNET, "run", bundle, HERE / "clips")
show(HYBRIDNET, "energy", bundle, HERE / "clips" / "walk.avi")

training = json.loads(checkpoint.with_suffix(".json").read_text())["training"]
clips, right = training["test_videos"], training["top1"]
print(f"""
On all {clips} test clips, of which these are 15, the model is right in {right:.1%}, and chance is 6.7%;
`make shipped-model` trained and measured it: docs/benchmark.md.
The clips are rendered mocap, not filmed people. Demo took {time.perf_counter() - start:.0f} s.""")
