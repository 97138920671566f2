"""A report as one HTML page that needs nothing else: no script, no network; jinja2 escapes every name."""

from collections.abc import Iterator, Mapping
from typing import Any

import jinja2

from deploy.console import counted
from deploy.ledger import Ledger
from deploy.pictures.video import GAIN, POSITIONS
from deploy.report.activity import stream_views
from deploy.report.charts import Bar, Chart, Segment, joules, layer_charts, micro, parts_chart, share_bar
from deploy.report.contents import VideoReport
from deploy.report.mapping import mapping_view
from deploy.report.pictures import clip_limit, iframe_uri, motion_uri, residual_uri
from deploy.views.energy_table import ledger_lines
from deploy.work import CONVENTIONAL
from hybridnet import __version__
from hybridnet.video.sampling import INPUT_LIMIT

SCORES = 5  # best labels that have a bar
PRINTABLE = str.maketrans({"\ufffe": "?", "\uffff": "?", **{chr(n): "?" for n in range(32)}})

Picture = tuple[str, str, str]  # data URI, alt text, caption


def render(template: str, **context: Any) -> str:
    """A page of `pages`; every value is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("deploy.report", "pages"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(template).render(context)


def report_page(report: VideoReport) -> str:
    """The page of one bundle and one video."""
    prediction, bundle = report.prediction, report.runtime.bundle
    manifest = bundle.manifest
    mapping = mapping_view(bundle)
    failed = [check.name for check in report.checks if not check.passed]
    sections = {
        "prediction": "Prediction", "seen": "What it saw", "spikes": "Spikes", "energy": "Energy",
        "latency": "Latency", **({"mapping": "Mapping"} if mapping else {}), "verification": "Verification",
    }  # fmt: skip
    return render(
        "report.html",
        sections=sections.items(),
        video=plain(report.video),
        bundle=plain(bundle.path.name),
        about=f"target {manifest.target}, {manifest.parameters:,} parameters",
        untrained=manifest.training is None,
        notes=report.notes,
        label=plain(prediction.labels[0]),
        facts=_facts(report, failed),
        scores=_scores(report),
        scores_words=f"Mean of {counted(prediction.clips, 'clip')}, the best {min(SCORES, len(prediction.labels))} of "
        f"{counted(len(prediction.labels), 'label')}.",
        seen_words=_seen_words(report),
        clips=[{"title": title, "pictures": list(pictures)} for title, pictures in _clips(report)],
        strips=list(_strips(report)),
        spikes_words=_spikes_words(report),
        streams=list(stream_views(bundle.graphs, report.traces)),
        findings=report.findings,
        energy_words=_ENERGY_WORDS,
        regimes=[_regime(ledger) for ledger in report.ledgers],
        latency_words=_latency_words(report),
        stages=_stages(prediction.timings),
        mapping=mapping,
        checks=report.checks,
        checks_words="On the integer engine and ONNX Runtime; hybridnet verify replays on Lava too.",
        footer=f"hybridnet {__version__}. This page needs no network and runs no script.",
    )


_ENERGY_WORDS = (
    "Counts of this video times the prices of each regime. Point at a bar, tap it or step to it with the keyboard for "
    "count, price and source. What a regime has no price for is named, and is not zero. The dense baseline is the same "
    "network with its STMs as ordinary convolutions."
)


def plain(name: str) -> str:
    """A name with what no page can hold, control characters and lone surrogates, as question marks."""
    return name.translate(PRINTABLE).encode("utf-8", "replace").decode()


def _facts(report: VideoReport, failed: list[str]) -> list[tuple[str, str, str]]:
    prediction = report.prediction
    clips = counted(prediction.clips, "clip")
    verified = ("verified", f"{len(report.checks)} checks") if not failed else ("FAILED", ", ".join(failed))
    return [
        ("Prediction", plain(prediction.labels[0]), f"{prediction.scores[0]:.1%}"),
        ("Energy", joules(prediction.energy.total), f"under {prediction.energy.regime}"),
        ("Latency", f"{prediction.timings['total'] * 1e3:,.0f} ms", f"{clips}, on this machine"),
        ("Spike rate", f"{prediction.work.spike_rate:.2%}", "per neuron and step"),
        ("Bundle", *verified),
    ]


def _scores(report: VideoReport) -> list[Bar]:
    pairs = list(zip(report.prediction.labels, report.prediction.scores, strict=True))[:SCORES]
    return [
        Bar(plain(label), (Segment(100 * float(score), 0, f"{plain(label)}: {score:.1%}"),), f"{score:.1%}")
        for label, score in pairs
    ]


def _seen_words(report: VideoReport) -> str:
    pre = report.runtime.bundle.manifest.preprocessing
    limit = clip_limit(report.clips, pre.motion_limit) * pre.motion_limit / INPUT_LIMIT
    return (
        f"Crops of {pre.size}x{pre.size} as they entered the network: the I-frame, and the {pre.steps} P-frames behind "
        f"it, {'traced back to it' if pre.accumulate else 'each against the frame before'}. Motion: direction is the "
        f"hue, full at {limit:.1f} px. Residual: {GAIN} times its size around grey."
    )


def _clips(report: VideoReport) -> Iterator[tuple[str, Iterator[Picture]]]:
    """Every clip: its I-frame, its last motion and its last residual."""
    last = report.runtime.bundle.manifest.preprocessing.steps
    for number, clip in enumerate(report.clips):
        damaged = ", damaged" if clip.corrupt else ""
        yield f"Clip {number}, GOP {clip.gop}{damaged}", _clip_pictures(report, number, last)


def _clip_pictures(report: VideoReport, number: int, last: int) -> Iterator[Picture]:
    manifest, clip = report.runtime.bundle.manifest, report.clips[number]
    if manifest.iframe:
        yield iframe_uri(clip), f"I-frame of clip {number}", "I-frame"
    for stream in report.runtime.bundle.graphs:
        yield _p_frame(report, number, stream, last - 1), _p_frame_alt(report, number, stream, last), stream


def _strips(report: VideoReport) -> Iterator[tuple[str, list[Picture]]]:
    """The first clip's P-frames at POSITIONS."""
    steps = report.runtime.bundle.manifest.preprocessing.steps
    for stream in report.runtime.bundle.graphs:
        yield (
            stream.capitalize(),
            [
                (_p_frame(report, 0, stream, at - 1), _p_frame_alt(report, 0, stream, at), f"P{at}")
                for at in POSITIONS
                if at <= steps
            ],
        )


def _p_frame(report: VideoReport, number: int, stream: str, step: int) -> str:
    clip = report.clips[number]
    if stream == "residual":
        return residual_uri(clip, step)
    return motion_uri(clip, step, clip_limit(report.clips, report.runtime.bundle.manifest.preprocessing.motion_limit))


def _p_frame_alt(report: VideoReport, number: int, stream: str, position: int) -> str:
    values = getattr(report.clips[number], stream)[position - 1]
    share = (values != 0).any(axis=0).mean()
    return f"{stream} of clip {number} at P-frame {position}, not zero in {share:.0%} of the picture"


def _spikes_words(report: VideoReport) -> str:
    clip = report.clips[0]
    return (
        f"The first clip (GOP {clip.gop}), step by step: step t answers P-frame t. Rasters show some neurons of every "
        "channel, of those that spiked; under them stands the share of all neurons that spiked. Potentials are what "
        "crosses the bridge, orange above zero, blue below."
    )


def _regime(ledger: Ledger) -> dict[str, Any]:
    rows = [
        (
            row.layer if row.part == CONVENTIONAL else f"{row.part}/{row.layer}",
            row.name,
            row.count,
            "-" if row.price_pj is None else f"{row.price_pj:.4g}",
            f"within {row.within}" if row.within else "unpriced" if row.joules is None else joules(row.joules),
            row.evidence or "",
            row.source or "",
        )
        for row in ledger.report.rows
    ]
    baselines = {"dense baseline": ledger.dense, "ConvLSTM baseline": ledger.convlstm} if ledger.comparable else {}
    return {
        "name": ledger.report.regime,
        "lines": [micro(line) for line in ledger_lines(ledger)],
        "parts": parts_chart("by part", {"this video": ledger.report, **baselines}),
        "layers": layer_charts(ledger.report),
        "rows": rows,
    }


def _latency_words(report: VideoReport) -> str:
    stages = {name: seconds for name, seconds in report.prediction.timings.items() if name != "total"}
    slowest = max(stages, key=lambda name: stages[name])
    return (
        f"{report.prediction.timings['total'] * 1e3:,.0f} ms for {counted(report.prediction.clips, 'clip')}, most of "
        f"it {slowest}, simulated on this machine's processor, first calls included: no chip's time. Spiking is what "
        "is waited for it."
    )


def _stages(timings: Mapping[str, float]) -> Chart:
    """One bar of all stages, then a bar a stage on the same scale."""
    stages = {name: seconds for name, seconds in timings.items() if name != "total"}
    stages["other"] = max(0.0, timings["total"] - sum(stages.values()))
    whole = share_bar("all", stages, lambda name, seconds: f"{name}: {seconds * 1e3:,.1f} ms", _ms(timings["total"]))
    each = [
        Bar(name, (Segment(100 * seconds / timings["total"], i, f"{name}: {_ms(seconds)}"),), _ms(seconds))
        for i, (name, seconds) in enumerate(stages.items())
    ]
    return Chart("stages", (whole, *each), {name: i for i, name in enumerate(stages)})


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f} ms"
