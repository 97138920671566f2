"""`export_bundle`: a checkpoint becomes a bundle, verified before it appears."""

from collections.abc import Callable, Collection
from pathlib import Path

from deploy.bridge import port_of
from deploy.bundle import GOLDEN, ONNX, Golden, lava_processes
from deploy.files import ArrayArchive, sha256, whole_folder
from deploy.golden import golden_arrays
from deploy.manifest import IFRAME, MANIFEST, SCHEMA, Manifest, net_name
from deploy.onnx_graph import conventional_onnx, size_nodes
from deploy.partition import check_deployable, partition, streams
from deploy.quantise import spiking_graph
from deploy.sanafe_net import behind_first, check_size, sanafe_network
from deploy.verify import verify_bundle
from hardware import Target, check_fit, check_graph, load_target
from hybridnet import __version__
from hybridnet.errors import BundleError, OutputError
from hybridnet.model.checkpoint import Checkpoint, load_checkpoint
from hybridnet.video import STREAMS
from simulators import net_bytes

FORMATS = ("sanafe",)


def export_bundle(
    checkpoint: str | Path,
    out: str | Path,
    *,
    target: str = "loihi2",
    fit_check: bool = True,
    also: Collection[str] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> Path:
    """Export a checkpoint (safetensors with its JSON config beside it) as a bundle folder; return the folder.

    The spiking partition is checked against `target`, the conventional partition against torch, and the finished
    bundle replays its golden arrays before it takes its name; `progress` hears each stage. Without `fit_check` the
    layers need not fit the target's cores, only its arithmetic. `also` may hold "sanafe": the streams of a small model
    as SANA-FE's network files, driven by the golden spikes, see `deploy.sanafe_net`. Raises CheckpointError,
    TargetError (what the target cannot hold: layer, rule, value, limit, remedy; or a variant of the model that has
    nothing to run on a chip), GraphError (what SANA-FE cannot hold) and OutputError; `out` is then untouched.
    """
    chip = load_target(target)
    if unknown := sorted(set(also) - set(FORMATS)):
        raise OutputError(f"--also {unknown[0]}: is no format that is known; use {', '.join(FORMATS)}")
    progress("reading the checkpoint")
    source = load_checkpoint(checkpoint)
    check_deployable(source.model.config)
    source.model.eval()
    with whole_folder(Path(out), MANIFEST) as folder:
        _fill(folder, source, chip, fit_check, also, progress)
        progress("replaying the golden arrays")
        for check in verify_bundle(folder, backends=("integer",)):
            if not check.passed:
                raise BundleError(f"{checkpoint}: the exported bundle fails its own check {check.name}: {check.detail}")
    return Path(out)


def _fill(
    folder: Path,
    source: Checkpoint,
    chip: Target,
    fit_check: bool,
    also: Collection[str],
    progress: Callable[[str], None],
) -> None:
    model, config = source.model, source.model.config
    inputs = {stream: (STREAMS[stream], config.size, config.size) for stream in config.streams}
    graphs = {}
    graded = bool(chip.limits) and chip.readouts[0] == "graded"
    for stream, stm in streams(model).items():
        progress(f"quantising the {stream} stream")
        graphs[stream] = spiking_graph(stm, inputs[stream], config.steps, graded=graded)
        check_graph(graphs[stream], chip, stream)
        (folder / net_name(stream)).write_bytes(net_bytes(graphs[stream]))
    if "sanafe" in also:
        for stream, graph in graphs.items():
            check_size(stream, behind_first(graph))
    if fit_check:
        progress(f"fitting the layers to the cores of {chip.name}")
        check_fit(graphs, chip)
    ports = tuple(port_of(stream, graph) for stream, graph in graphs.items())

    progress("exporting the conventional partition to ONNX")
    if config.reads_iframe:
        inputs[IFRAME] = (3, config.size, config.size)
    feed = [(name, inputs[name]) for name in (IFRAME,) if name in inputs] + [(port.name, port.shape) for port in ports]
    onnx = conventional_onnx(model.conventional, feed)
    (folder / ONNX).write_bytes(onnx)

    progress("recording the golden arrays")
    with ArrayArchive(folder / GOLDEN) as archive:
        for name, array in golden_arrays(model, inputs, config.steps):
            archive.add(name, array)
    if "sanafe" in also:
        for stream, graph in graphs.items():
            spikes = Golden(folder / GOLDEN)[f"{stream}/{graph.layers[0].name}/spikes"]
            text = sanafe_network(stream, behind_first(graph), spikes)
            (folder / f"{stream}.sanafe.yaml").write_text(text, encoding="utf-8")

    manifest = Manifest(
        schema=SCHEMA,
        toolkit=__version__,
        target=chip.name,
        labels=tuple(source.labels),
        training=source.training,
        preprocessing=source.preprocessing,
        iframe=config.reads_iframe,
        ports=ports,
        processes=lava_processes(graphs.values()),
        partition=partition(model),
        nodes=size_nodes(onnx),
        parameters=sum(p.numel() for p in model.parameters()),
        files={path.name: sha256(path) for path in sorted(folder.iterdir())},
    )
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
