"""Two bundles side by side: what they are, whether they are whole, and what each makes of the same video."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.bundle import Bundle
from deploy.ledger import Ledger
from deploy.report.contents import VERIFIED_ON, price
from deploy.runtime import Prediction, open_bundle
from deploy.verify import Check, verify_bundle
from hybridnet.spiking import Layer, Shape

Fact = tuple[str, str, str]  # what, and how it is in either bundle


@dataclass(frozen=True, eq=False)
class Side:
    """One bundle, what was verified of it, and its run over the video, if there is one."""

    bundle: Bundle
    checks: tuple[Check, ...]
    prediction: Prediction | None

    @property
    def verified(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def ledgers(self) -> tuple[Ledger, ...]:
        return () if self.prediction is None else price(self.prediction, self.bundle)


def gather_sides(
    folders: tuple[Path, Path], video: Path | None, progress: Callable[[str], None], tell: Callable[[str], None]
) -> tuple[Side, Side]:
    """Verify both bundles and run both over the video.

    progress, tell   are told what is being done, and what `Runtime.predict` tells. Raises BundleError and VideoError
    as `open_bundle` and `use_clips`.
    """
    first, second = (_side(folder, video, progress, tell) for folder in folders)
    return first, second


def _side(folder: Path, video: Path | None, progress: Callable[[str], None], tell: Callable[[str], None]) -> Side:
    runtime = open_bundle(folder)
    progress(f"verifying {folder}")
    checks = tuple(verify_bundle(folder, backends=VERIFIED_ON))
    if video is None:
        return Side(runtime.bundle, checks, None)
    progress(f"predicting {video.name} with {folder}")
    return Side(runtime.bundle, checks, runtime.predict(video, tell=tell))


def bundle_facts(a: Bundle, b: Bundle) -> list[Fact]:
    """What the manifests say."""
    return _paired(_manifest_facts(a), _manifest_facts(b))


def layer_facts(a: Bundle, b: Bundle) -> list[Fact]:
    """Every layer of every stream, in words; a layer that one of them lacks has a dash there."""
    return _paired(_layers(a), _layers(b))


def run_facts(a: Prediction, b: Prediction) -> list[Fact]:
    """Answer, scores, spikes and times."""
    return _paired(_run_facts(a), _run_facts(b))


def _paired(a: Mapping[str, str], b: Mapping[str, str]) -> list[Fact]:
    return [(name, a.get(name, "-"), b.get(name, "-")) for name in dict.fromkeys((*a, *b))]


def _manifest_facts(bundle: Bundle) -> dict[str, str]:
    manifest, pre = bundle.manifest, bundle.manifest.preprocessing
    return {
        "hybridnet": manifest.toolkit,
        "target": manifest.target,
        "weights": "untrained" if manifest.training is None else "trained",
        "parameters": f"{manifest.parameters:,}",
        "classes": f"{len(manifest.labels)}: {', '.join(manifest.labels[:3])}{', ...' * (len(manifest.labels) > 3)}",
        "modalities": ", ".join([*(["iframe"] if manifest.iframe else []), *bundle.graphs]),
        "crop": f"{pre.size} px of a short side of {pre.short_side}",
        "clips": f"{pre.triplets} of {pre.steps} P-frames, {'accumulated' if pre.accumulate else 'raw'}",
        "motion": f"up to {pre.motion_limit} px, {pre.subpel}",
        "bridge": f"{sum(port.bytes_per_clip for port in manifest.ports):,} bytes a clip",
        "size": f"{sum((bundle.path / name).stat().st_size for name in manifest.files) / 1e6:.1f} MB",
    }


def _layers(bundle: Bundle) -> dict[str, str]:
    return {
        f"{stream}/{layer.name}": _layer_words(layer, shape)
        for stream, graph in bundle.graphs.items()
        for layer, _, shape, _ in graph.neuron_layers()
    }


def _layer_words(layer: Layer, shape: Shape) -> str:
    threshold = "never spikes" if layer.threshold is None else f"threshold {layer.threshold}, reset {layer.reset}"
    return (
        f"{layer.kind} {'x'.join(map(str, layer.weight.shape))} to {'x'.join(map(str, shape))}, decay {layer.decay_v}, "
        f"{threshold}, scale {layer.scale:.3g}"
    )


def _run_facts(prediction: Prediction) -> dict[str, str]:
    best = list(zip(prediction.labels, prediction.scores, strict=True))[:3]
    return {
        "prediction": f"{best[0][0]}, {best[0][1]:.1%}",
        "next": ", ".join(f"{label} {score:.1%}" for label, score in best[1:]),
        "clips": str(prediction.clips),
        "spike rate": f"{prediction.work.spike_rate:.2%}",
        **{f"spike rate, {name}": f"{rate:.2%}" for name, rate in prediction.work.rates.items()},
        **{f"{stage}, ms": f"{seconds * 1e3:,.0f}" for stage, seconds in prediction.timings.items()},
    }
