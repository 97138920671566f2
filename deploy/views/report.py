"""`hybridnet report`: a page of one bundle and one video, or of two bundles side by side."""

from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.console import counted, print_json, progress, show
from deploy.doctor import extra
from deploy.options import Json
from deploy.report.compare import gather_sides
from deploy.report.contents import gather_report
from hybridnet.files import keep_apart, whole_file

Inputs = Annotated[
    list[Path], typer.Argument(metavar="DIR VIDEO|DIR DIR [VIDEO]", help="A bundle and a video, or two bundles.")
]
Page = Annotated[Path, typer.Option("-o", "--out", metavar="FILE.html", help="The page to write.")]


def report(inputs: Inputs, page: Page = Path("report.html"), as_json: Json = False) -> None:
    """Write one page that needs no network: of a bundle's run over a video, or of two bundles side by side.

    DIR VIDEO: what the network saw, said, did and cost.

    DIR DIR [VIDEO]: where two bundles differ, and what each makes of the video.
    """
    if not 2 <= len(inputs) <= 3:
        raise typer.BadParameter(f"{counted(len(inputs), 'path')}; give a bundle and a video, or two bundles")
    if len(inputs) == 2 and not inputs[1].is_dir():
        report_video(inputs[0], inputs[1], page, as_json)
    else:
        first, second, *video = inputs
        report_two((first, second), video[0] if video else None, page, as_json)


def report_video(folder: Path, video: Path, page: Path, as_json: bool) -> None:
    """Write the page of a bundle's run over a video, whole or not at all.

    Raises BackendError without jinja2 or matplotlib, BundleError and VideoError as `open_bundle` and `use_clips`,
    OutputError for a place that cannot be written or that is an input.
    """
    keep_apart(page, folder, video)
    with extra("report"):
        import matplotlib  # noqa: F401

        from deploy.report.page import report_page
    with whole_file(page) as work, progress() as bar:  # a place that cannot be written is found out at once
        task = bar.add_task(f"reporting on {video.name}", total=None)
        report = gather_report(folder, video, lambda stage: bar.update(task, description=stage))
        work.write_text(report_page(report), encoding="utf-8")
    prediction = report.prediction
    facts: dict[str, Any] = {
        "report": str(page), "bundle": str(folder), "video": str(video), "label": prediction.labels[0],
        "verified": report.verified, "energy": {each.report.regime: each.report.total for each in report.ledgers},
    }  # fmt: skip
    _finish(page, facts, as_json)


def report_two(folders: tuple[Path, Path], video: Path | None, page: Path, as_json: bool) -> None:
    """Write the page of two bundles, and of their runs over `video` if given; errors as `report_video`."""
    keep_apart(page, *folders, *([video] if video else []))
    with extra("report"):
        from deploy.report.compare_page import compare_page
    notes: list[str] = []
    with whole_file(page) as work, progress() as bar:
        task = bar.add_task("comparing", total=None)
        sides = gather_sides(folders, video, lambda stage: bar.update(task, description=stage), notes.append)
        work.write_text(compare_page(*sides, video, list(dict.fromkeys(notes))), encoding="utf-8")
    facts = {
        "report": str(page),
        "bundles": [str(folder) for folder in folders],
        "video": None if video is None else str(video),
        "verified": [side.verified for side in sides],
        "labels": [side.prediction.labels[0] for side in sides if side.prediction],
    }  # fmt: skip
    _finish(page, facts, as_json)


def _finish(page: Path, facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        show(f"wrote {page}: {page.stat().st_size / 1e3:,.0f} kB, open it in any browser")
