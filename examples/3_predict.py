"""Predict a video with a bundle: no torch needed, the spiking side simulated exactly, the rest in ONNX Runtime.

python examples/3_predict.py tiny.bundle examples/clips/walk.avi
"""

import sys

from deploy import open_bundle

bundle, video = sys.argv[1:]
prediction = open_bundle(bundle).predict(video)
for label, score in list(zip(prediction.labels, prediction.scores, strict=True))[:3]:
    print(f"{label:16s} {score:.1%}")
energy = prediction.energy
print(f"spike rate {prediction.work.spike_rate:.2%}, {energy.total * 1e3:.3f} mJ under {energy.regime}")
