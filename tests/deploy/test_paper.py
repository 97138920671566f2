"""`hybridnet paper`: tables, JSON and picture."""

import json
from pathlib import Path

import av

from command import Command


def test_prints_published_beside_ours(hybridnet: Command) -> None:
    done = hybridnet("paper")
    assert (done.code, done.err) == (0, "")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert "CoViAR CD 90.4 59.1 81.72 0.74 - 3.422 1.585 3.404 yes" in lines
    assert "Ours params, M 83.41 83.28 preset base, 101 classes make sizes docs/variants.md" in lines
    assert "variant top-1 published top-1 ours J/V published J/V ours notes" in lines
    assert "Separate 94.18 - 0.95 - 10" in lines
    assert "ViViT-L FE RD 65.9 81.7 83.0 54.92 11.94 T 54.924 derived" in lines
    assert "Table 2, ViViT-L FE: 11.94 T is 3980 GFLOPs x 1 x 3 (Arnab et al., ICCV 2021), derived" in lines
    assert any(line.startswith("6. 822.48 J is 100 times too high") for line in lines)


def test_json_holds_every_figure_with_its_place(hybridnet: Command) -> None:
    done = hybridnet("paper", "--json")
    shown = json.loads(done.out)
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
    ours = next(row for row in shown["tables"][0]["rows"] if row["name"] == "Ours")
    assert ours["figures"]["joules"] == {"published": "0.734", "ours": None, "where": "Table 1, row Ours, column J/V"}
    assert ours["figures"]["parameters"]["ours"]["command"] == "make sizes"
    assert [recount["agrees"] for recount in ours["recounts"]] == [True, False]
    assert all(str(number) in shown["footnotes"] for number in ours["notes"])
    assert shown["tables"][1]["rows"][1]["figures"]["k600"]["published"] is None


def test_draws(hybridnet: Command, tmp_path: Path) -> None:
    png = tmp_path / "paper.png"
    done = hybridnet("paper", "--png", png)
    assert (done.code, done.err) == (0, "")
    with av.open(str(png)) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    own = (picture == (0xD5, 0x5E, 0x00)).all(axis=-1)
    assert own.sum() > 6 * 50  # Ours twice in Table 1, Ours and Ours-L twice in Table 2: nine pixels wide each
    assert f"wrote {png}" in done.out


def test_a_picture_that_cannot_be_written_is_one_line(hybridnet: Command, tmp_path: Path) -> None:
    done = hybridnet("paper", "--png", tmp_path / "no" / "paper.png", "--json")
    assert done.code == 1
    assert list(json.loads(done.out)) == ["error"]
    assert len(done.err.splitlines()) == 1
