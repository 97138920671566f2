"""Export a checkpoint and verify the bundle on every simulator that is installed.

python examples/2_export.py tiny.safetensors tiny.bundle
"""

import sys

from deploy import export_bundle
from deploy.verify import verify_bundle

checkpoint, out = sys.argv[1:]
bundle = export_bundle(checkpoint, out, target="loihi2", progress=print)
for check in verify_bundle(bundle):
    print("ok" if check.passed else "FAILED", check.name, "-", check.detail)
