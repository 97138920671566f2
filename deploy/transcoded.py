"""A copy of a video that must be transcoded first, kept in memory for as long as a command reads it."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from hybridnet.errors import TranscodeNeeded, VideoError
from hybridnet.files import disk_errors
from hybridnet.video import Preprocessing, Recipe, transcode

SPOOL = 2**26  # bytes of a copy in memory; a longer one goes to a temporary file without name


def transcoding_recipe(preprocessing: Preprocessing) -> Recipe:
    """A clip a GOP, and no picture smaller than the clips want it: 340x256, or larger in that shape."""
    usual = Recipe()
    height = max(usual.height, preprocessing.short_side)
    return Recipe(width=height * usual.width // usual.height, height=height, gop=preprocessing.steps + 1)


@contextmanager
def transcoded_copy(
    video: str | Path, recipe: Recipe, cause: TranscodeNeeded, tell: Callable[[str], None] | None = None
) -> Iterator[BinaryIO]:
    """The copy, open for reading, whose name is the video's; `tell`, if given, hears that there is one, and why.

    Raises what `transcode` raises, and VideoError for a video that is shorter than one of the recipe's GOPs.
    """
    with _Copy(max_size=SPOOL) as spool:
        spool.name, copy = str(video), cast(BinaryIO, spool)
        with disk_errors(Path(tempfile.gettempdir())):
            found = transcode(video, copy, recipe)
        if found.frames < recipe.gop:
            lost, remedy = (f" ({found.damage})", "get a whole copy") if found.damage else ("", "give a longer video")
            raise VideoError(
                f"{video}: too short, a clip takes {recipe.gop} frames and it has {found.frames}{lost}; {remedy}"
            )
        if tell:
            reason = str(cause).removeprefix(f"{video}: ").partition(";")[0]
            tell(
                f"{video}: transcoded in memory to MPEG-4, {recipe.width}x{recipe.height}, GOP {recipe.gop} ({reason})"
            )
            if found.damage:
                tell(f"{video}: damaged ({found.damage}); used as far as it decodes")
        yield copy


class _Copy(tempfile.SpooledTemporaryFile):
    """A temporary file that errors call by the name of its original."""

    name = ""
