"""The nouns everybody shares (errors, SpikingGraph, Trace), compressed-video ingest and the torch model.

Importing this package loads none of torch, onnx or Lava; `hybridnet.model` needs torch and says so.
"""

__version__ = "0.1.0"
