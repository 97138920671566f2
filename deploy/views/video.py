"""What a video file is to the toolkit: its compressed structure in words, and what would be done with it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deploy.console import complain, counted, print_json, progress, show
from deploy.pictures.video import draw_gops
from deploy.transcoded import transcoded_copy, transcoding_recipe
from hybridnet.errors import TranscodeNeeded, VideoError
from hybridnet.files import keep_apart
from hybridnet.video import Preprocessing, VideoInfo, choose_gops, probe, read_gops
from hybridnet.video.ending import is_cut
from hybridnet.video.probe import REMEDY, require_motion_vectors, require_upright

HDF5 = b"\x89HDF\r\n\x1a\n"
SAMPLING = Preprocessing(size=112, short_side=112)  # steps and triplets of the paper; the sizes play no part here


@dataclass(frozen=True)
class VideoFacts:
    """A video and its prospects.

    info          codec, size, packets, key frames
    intra_share   mean share of the P-frames' area without motion vector in the GOPs looked at, 0..1; None if unread
    corrupt       True if one of those GOPs is damaged, as `read_gops` says
    cut           True if the file breaks off, as `hybridnet.video.ending` tells
    clips         GOPs that would become clips; 0 if the video must be transcoded, or cannot be used
    verdict       "usable" (every GOP is a clip), "sampled" (some are), "transcode", "unusable" (no transcode helps)
    reason        why, in words
    """

    info: VideoInfo
    intra_share: float | None
    corrupt: bool
    cut: bool
    clips: int
    verdict: str
    reason: str


def is_video(path: Path) -> bool:
    """Whether a path is to be read as a video: a file that is neither HDF5, by its first bytes, nor called .net."""
    if not path.is_file() or path.suffix == ".net":
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(HDF5)) != HDF5
    except OSError as error:
        raise VideoError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def inspect_video(path: Path, png: Path | None, gops: Sequence[int], as_json: bool) -> None:
    """Show a video's facts and, with `png`, draw `gops`, or the first full one if it is empty.

    Raises VideoError for a file that is no video, OutputError for a `png` that cannot be written.
    """
    if gops and png is None:
        raise VideoError(f"{path}: --gop {gops[0]} chooses what --png draws; give --png FILE too")
    if png is not None:
        keep_apart(png, path)  # a long video is examined only if there is a place for its picture
    with progress() as bar:
        bar.add_task(f"inspecting {path.name}", total=None)
        facts = examine_video(path)
        drawn, transcoded = ([], False) if png is None else _draw(path, png, gops)
    if as_json:
        picture = {} if png is None else {"png": str(png), "gops": drawn, "transcoded": transcoded}
        print_json({**video_dict(path, facts), **picture})
        return
    show(*video_lines(path, facts))
    if png is not None:
        copy = " of the transcoded copy" if transcoded else ""
        show(f"wrote {png}: GOP{'' if len(drawn) == 1 else 's'} {', '.join(map(str, drawn))}{copy}")


def _draw(path: Path, png: Path, gops: Sequence[int]) -> tuple[list[int], bool]:
    """Draw a video, or the copy that `run` makes where it cannot be read; the GOPs, and whether they are the copy's."""
    try:
        require_upright(path)
        return draw_gops(path, png, gops=gops), False
    except TranscodeNeeded as error:
        with transcoded_copy(path, transcoding_recipe(SAMPLING), error, complain) as copy:
            return draw_gops(copy, png, gops=gops, name=f"{path.name}, transcoded copy"), True


def examine_video(path: Path) -> VideoFacts:
    """Demux the whole video and decode the GOPs that would be sampled, and the last one of a file that breaks off.

    Raises VideoError if it cannot be opened at all.
    """
    info = probe(path)
    cut = is_cut(path) or info.breaks_off is not None
    lengths, steps = info.gop_lengths, SAMPLING.steps
    chosen = choose_gops(lengths, SAMPLING)
    too_short = f"it has {counted(info.packets, 'frame')} and a clip takes {steps + 1}; give a longer video"
    shares, corrupt, decoded = list[np.ndarray](), False, list[int]()
    try:
        require_motion_vectors(path, info.codec)
        gops = sorted({*(chosen or [0]), *([len(lengths) - 1] if cut and lengths else [])})
        for index, gop in zip(gops, read_gops(path, gops=gops, max_p=steps), strict=True):
            shares.append(gop.intra_share)
            decoded.extend([len(gop.motion)] if index in chosen else [])
            corrupt |= gop.corrupt
        if info.breaks_off:
            raise TranscodeNeeded(info.breaks_off)
        require_upright(path)
    except VideoError as error:
        verdict = "transcode" if isinstance(error, TranscodeNeeded) else "unusable"
        reason = str(error).removeprefix(f"{path}: ")
        if 0 < info.packets <= steps:
            verdict, reason = "unusable", too_short
        return VideoFacts(info, _mean(shares), corrupt, cut, 0, verdict, reason)
    mean = _mean(shares)
    if info.packets <= steps:
        return VideoFacts(info, mean, corrupt, cut, 0, "unusable", too_short)
    if not chosen:
        reason = f"the longest GOP has {counted(max(lengths), 'frame')} and a clip takes {steps + 1}; {REMEDY}"
        return VideoFacts(info, mean, corrupt, cut, 0, "transcode", reason)
    if min(decoded) < steps:
        reason = f"a GOP gave {counted(min(decoded), 'P-frame')} and a clip takes {steps}: it is damaged; {REMEDY}"
        return VideoFacts(info, mean, corrupt, cut, 0, "transcode", reason)
    count = len(chosen)
    if count == len(lengths) and set(lengths) == {steps + 1} and info.keyframes[0] == 0:
        reason = f"every GOP is one I-frame and {steps} P-frames"
        return VideoFacts(info, mean, corrupt, cut, count, "usable", reason)
    full = sum(length > steps for length in lengths)
    reason = f"{full:,} of {len(lengths):,} GOPs have {steps} P-frames, up to {SAMPLING.triplets} are taken evenly"
    return VideoFacts(info, mean, corrupt, cut, count, "sampled", reason)


def _mean(shares: Sequence[np.ndarray]) -> float | None:
    share = np.concatenate(shares) if shares else np.empty(0)
    return float(share.mean()) if share.size else None


def video_lines(path: Path, facts: VideoFacts) -> list[str]:
    """The facts in words."""
    info = facts.info
    verdict = {
        "usable": f"usable as it is: {counted(facts.clips, 'clip')}",
        "sampled": f"will be sampled as {counted(facts.clips, 'clip')}",
        "transcode": "must be transcoded (run, energy and simulate do, in memory)",
        "unusable": "cannot be used",
    }[facts.verdict]
    lines = [
        f"{path.name}: {info.codec}, {info.width}x{info.height}, {counted(info.packets, 'frame')}",
        f"GOPs: {_structure(info)}",
    ]
    if facts.intra_share is not None:
        lines.append(f"intra share: {facts.intra_share:.1%} of the P-frames' area has no motion vector")
    if facts.corrupt:
        lines.append("damaged: some of the GOPs looked at")
    if facts.cut:
        lines.append("damaged: the file breaks off")
    return [*lines, f"{verdict}: {facts.reason}"]


def video_dict(path: Path, facts: VideoFacts) -> dict[str, Any]:
    """The facts, JSON-ready."""
    info = facts.info
    return {
        "video": str(path),
        "codec": info.codec,
        "width": info.width,
        "height": info.height,
        "frames": info.packets,
        "gop_lengths": info.gop_lengths,
        "frames_before_first_keyframe": _dropped(info),
        "motion_vectors": info.has_motion_vectors,
        "intra_share": facts.intra_share,
        "corrupt": facts.corrupt,
        "cut": facts.cut,
        "clips": facts.clips,
        "verdict": facts.verdict,
        "reason": facts.reason,
    }


def _structure(info: VideoInfo) -> str:
    """Such as "4: 3 of 12 frames, 1 of 4", the most frequent lengths first."""
    lengths = Counter(info.gop_lengths).most_common()
    parts = [f"{times:,} of {counted(length, 'frame')}" for length, times in lengths[:3]]
    if len(lengths) > 3:
        parts.append(f"{sum(times for _, times in lengths[3:]):,} of other lengths")
    if _dropped(info):
        parts.append(f"{counted(_dropped(info), 'frame')} before the first key frame, not decodable")
    return f"{len(info.keyframes):,}: {', '.join(parts)}" if parts else "none"


def _dropped(info: VideoInfo) -> int:
    return info.keyframes[0] if info.keyframes else info.packets
