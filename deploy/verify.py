"""`verify`: hashes, then the golden arrays replayed through every backend; the first difference is named."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deploy.bundle import Bundle, Golden, altered_files, bundle_files, needs, read_bundle
from deploy.manifest import IFRAME, read_manifest
from deploy.session import open_conventional
from hybridnet.errors import HybridnetError
from simulators import backends as installed_backends
from simulators import simulate

MODELS = {"lava": "; Conv as matrix products", "lava-stock": "; Lava's own models"}
LOGIT_TOLERANCE = 1e-4  # of the largest golden logit; the spiking side has no tolerance


@dataclass(frozen=True)
class Check:
    """One thing that was verified: its name, whether it held, and what was seen."""

    name: str
    passed: bool
    detail: str


def verify_bundle(path: str | Path, *, backends: Sequence[str] | None = None) -> Iterator[Check]:
    """Check a bundle and yield each result as it comes: file hashes, the Lava processes it needs, every stream on every
    backend, the logits.

    backends: simulators to replay on, by default every one installed. An altered file does not end the check: the
    replay then says which layer and step it changes. Raises BundleError only where there is nothing to replay.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    files = bundle_files(folder, manifest)
    faults = list(altered_files(files, manifest))
    for fault in faults:
        yield Check("hashes", False, fault)
    if not faults:
        yield Check("hashes", True, f"{len(files)} files are what the manifest says")
    try:
        bundle = read_bundle(folder, check_hashes=False)
    except HybridnetError as error:
        yield Check("bundle", False, str(error))
        return
    yield Check("processes", True, f"the .net files need {needs(bundle.manifest.processes)}")
    golden = Golden(bundle.golden_path)
    for backend in installed_backends() if backends is None else backends:
        for stream in bundle.graphs:
            yield _guarded(f"{stream} on {backend}", _replay, bundle, golden, stream, backend)
    yield _guarded("conventional on onnxruntime", _classify, bundle, golden)


def _guarded(name: str, check, *arguments) -> Check:
    try:
        return check(name, *arguments)
    except HybridnetError as error:
        return Check(name, False, str(error))


def _replay(name: str, bundle: Bundle, golden: Golden, stream: str, backend: str) -> Check:
    graph = bundle.graphs[stream]
    trace = simulate(graph, golden[f"{stream}/input"], backend=backend, record=("spikes", "v"))
    differences, compared, spikes = [], 0, 0
    for layer, _, _, _ in graph.neuron_layers():
        for kind, found in (("spikes", trace.spikes[layer.name]), ("v", trace.v[layer.name])):
            wanted = golden[f"{stream}/{layer.name}/{kind}"]
            difference = first_difference(found, wanted)
            if difference is not None:
                step, place, values = difference
                what = "spike" if kind == "spikes" else "membrane potential"
                text = f"layer {layer.name}, step {step}, neuron {place}: {what} {values[0]}, golden {values[1]}"
                differences.append((step, text))
            compared += wanted.size
            spikes += int(wanted.sum()) if kind == "spikes" else 0
    if differences:
        return Check(name, False, "first difference at " + min(differences, key=lambda d: d[0])[1])
    port = next(port for port in bundle.manifest.ports if port.stream == stream)
    if not np.array_equal(port.to_real(trace.potential), golden[f"{stream}/port"]):
        return Check(
            name, False, f"port {port.name}: real potentials differ from the golden ones; its scale was changed"
        )
    detail = f"{compared:,} values equal over {graph.steps} steps, {spikes:,} spikes among them"
    return Check(name, True, detail + MODELS.get(backend, ""))


def first_difference(found: np.ndarray, wanted: np.ndarray) -> tuple[int, tuple[int, ...], tuple[int, int]] | None:
    """Earliest step (from 1), neuron index and (found, wanted) where two recordings (T, ...) differ, or None."""
    if found.shape != wanted.shape:
        raise HybridnetError(f"recording of shape {found.shape} must be {wanted.shape}, as the golden arrays are")
    for step, (a, b) in enumerate(zip(found, wanted, strict=True), start=1):
        if not np.array_equal(a, b):
            place = tuple(int(i) for i in np.argwhere(a != b)[0])
            return step, place, (int(a[place]), int(b[place]))
    return None


def _classify(name: str, bundle: Bundle, golden: Golden) -> Check:
    feed = {IFRAME: golden[IFRAME][None].astype(np.float32)} if bundle.manifest.iframe else {}
    feed |= {port.name: golden[f"{port.stream}/port"][None] for port in bundle.manifest.ports}
    found = open_conventional(bundle).run(["logits"], feed)[0][0]
    wanted = golden["logits"]
    error = relative_error(found, wanted)
    detail = f"logits within {error:.1e} of the largest golden logit, limit {LOGIT_TOLERANCE:g}"
    return Check(name, error <= LOGIT_TOLERANCE, detail)


def relative_error(found: np.ndarray, wanted: np.ndarray) -> float:
    """Largest absolute difference over the largest wanted magnitude; 0 for equal arrays."""
    return float(np.abs(found - wanted).max() / max(float(np.abs(wanted).max()), np.finfo(np.float32).tiny))
