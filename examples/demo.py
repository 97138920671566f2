"""The demo behind `make demo`: export, verify, run, energy, on the clips that ship, by the commands a user would type.

python examples/demo.py DIR
"""

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
checkpoint, bundle = folder / "tiny.safetensors", folder / "tiny.bundle"

show(sys.executable, HERE / "1_checkpoint.py", "tiny", checkpoint)
show(HYBRIDNET, "export", checkpoint, "-o", bundle)
show(HYBRIDNET, "verify", bundle)
show(HYBRIDNET, "run", bundle, HERE / "clips")
show(HYBRIDNET, "energy", bundle, HERE / "clips" / "walk.avi")
print("\nThe weights are UNTRAINED: the labels above mean nothing. Spikes, potentials, counts and timings are real.")
print(f"The clips are rendered mocap, not filmed people. Demo took {time.perf_counter() - start:.0f} s.")
