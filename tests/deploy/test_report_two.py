"""`hybridnet report DIR DIR [VIDEO]`: two bundles on one page."""

import json
import re
import shutil
from pathlib import Path

import pytest

from browser import CHROMIUM, brightness, look
from command import Command
from deploy.report.compare_page import _table


@pytest.fixture
def other(tiny_bundle: Path, tmp_path: Path) -> Path:
    """The same bundle under another name, with other labels and a price on its head: said to be trained."""
    folder = tmp_path / "other.bundle"
    shutil.copytree(tiny_bundle, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["labels"] = [f"<i>{label}" for label in manifest["labels"]]
    manifest["training"] = {}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def marked(html: str) -> set[str]:
    """Names of the facts that are marked as different."""
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', html, re.DOTALL)
    assert len(rows) > 15
    return {name for name, cells in rows if 'class="differs"' in cells}


def test_what_differs_is_marked(hybridnet: Command, tiny_bundle: Path, other: Path, tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    done = hybridnet("report", tiny_bundle, other, "-o", page)
    assert (done.code, done.err) == (0, "")
    html = page.read_text()
    assert marked(html) == {"weights", "classes"}
    assert '<th scope="row">weights</th><td><strong class="differs">untrained</strong></td>' in html
    assert html.count("<i>") == 0
    assert "&lt;i&gt;" in html
    assert "On the video" not in html
    assert html.count('<span class="ok">ok</span>') == 10


def test_both_run_over_the_video(
    hybridnet: Command, tiny_bundle: Path, other: Path, clip: Path, tmp_path: Path
) -> None:
    page = tmp_path / "a.html"
    told = json.loads(hybridnet("report", tiny_bundle, other, clip, "-o", page, "--json").out)
    assert told["verified"] == [True, True]
    assert told["labels"][1] == f"<i>{told['labels'][0]}"
    html = page.read_text()
    assert {"prediction", "next"} <= marked(html)
    assert "spike rate, motion/conv1" not in marked(html)
    assert re.search(r"<h3>paper-45nm</h3>", html)
    assert "not in the bars, for loihi1 has no price: " in html
    bars = re.findall(r'<span class="value">(.*?)</span>', html)
    assert len(bars) % 2 == 0
    assert bars[::2] == bars[1::2]  # the same network on the same video


def test_of_a_cell_only_what_differs_is_marked() -> None:
    cells = "conv 16x2, decay 9, scale 1", "conv 16x2, decay 8, scale 1"
    (row,) = _table([("motion/conv1", *cells)])
    assert row["a"] == [("conv 16x2", False), ("decay 9", True), ("scale 1", False)]
    assert [differs for _, differs in row["b"]] == [False, True, False]
    (row,) = _table([("motion/conv3", cells[0], "-")])
    assert (len(row["a"]), row["b"]) == (3, [("-", True)])
    assert all(differs for _, differs in row["a"])


MEASURE = """
const shown = [...page.querySelectorAll("p, h1, h2, h3, li, td, th, span.name, span.value")];
const style = view.getComputedStyle(page.body);
return {
  width: page.documentElement.scrollWidth, background: style.backgroundColor, ink: style.color,
  outside: shown.filter(e => e.getBoundingClientRect().right > view.innerWidth + 1).length,
  small: shown.filter(e => parseFloat(view.getComputedStyle(e).fontSize) < 12).length,
  fetched: view.performance.getEntriesByType("resource").map(e => e.name).filter(n => !n.startsWith("data:")),
};
"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize(("width", "dark"), [(360, False), (1280, True)])
def test_in_a_browser(
    hybridnet: Command, tiny_bundle: Path, clip: Path, tmp_path: Path, width: int, dark: bool
) -> None:
    """A name longer than a phone's line, and nothing that runs out of the page, on any ground."""
    long = shutil.copytree(tiny_bundle, tmp_path / "a_name_that_is_longer_than_the_line_of_any_phone.bundle")
    page = tmp_path / "a.html"
    assert hybridnet("report", tiny_bundle, long, clip, "-o", page).code == 0
    found = look(page, MEASURE, width=width, dark=dark)
    assert (found["width"], found["outside"], found["small"], found["fetched"]) == (width, 0, 0, [])
    assert (brightness(found["background"]) < 60) == dark
    assert abs(brightness(found["ink"]) - brightness(found["background"])) > 150


def test_a_folder_that_fails_leaves_no_page(hybridnet: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.bundle"
    shutil.copytree(tiny_bundle, broken)
    (broken / "motion.net").unlink()
    done = hybridnet("report", tiny_bundle, broken, "-o", tmp_path / "a.html")
    assert done.code == 1
    assert "motion.net is missing" in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "a.html").exists()
