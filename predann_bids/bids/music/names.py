"""What a name in a table says: whether it is audio, and which files of a directory it can mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote

AUDIO_EXTENSIONS = (
    *(".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".opus"),
    *(".wave", ".oga", ".mpga", ".mp2", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64"),
)
UNREADABLE = {  # what holds sound that libsndfile does not read
    **dict.fromkeys((".m4a", ".m4b", ".m4p", ".aac", ".alac"), "AAC or Apple Lossless audio"),
    ".wma": "Windows Media audio",
    ".weba": "WebM audio",
    ".mka": "Matroska audio",
    ".ac3": "Dolby Digital audio",
    ".amr": "AMR audio",
    ".ape": "Monkey's Audio",
    ".wv": "WavPack audio",
}
# whose sound may be the music
VIDEO = frozenset(".mp4 .m4v .mov .avi .wmv .webm .mkv .mpg .mpeg .flv .ogv .3gp .mts .m2ts".split())
NO_AUDIO = frozenset(
    ".jpg .jpeg .png .gif .bmp .tif .tiff .svg .webp .pdf .txt .tsv .csv .json .html .htm .mat .npy .xml .doc .docx"
    " .xls .xlsx .ppt .pptx .db .ini .m .py .md".split()
)
CLUTTER = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
QUOTED = re.compile(r"""(['"`‘“])(.*)['"`’”]""")
URI = re.compile(r"bids:[^:/]*:", re.IGNORECASE)
DRIVE = re.compile(r"[A-Za-z]:/")


def names_audio(text: str) -> bool:
    """Whether a cell of a table names a file that holds sound, be it that of a video."""
    return is_readable(text) or is_unreadable(text)


def is_readable(text: str) -> bool:
    """Whether a name is that of audio that can be read."""
    return _suffix(text) in AUDIO_EXTENSIONS


def is_unreadable(text: str) -> bool:
    """Whether a name is that of audio or video in a format that cannot be read."""
    return _suffix(text) in UNREADABLE or _suffix(text) in VIDEO


def is_video(text: str) -> bool:
    """Whether a name is that of a video."""
    return _suffix(text) in VIDEO


def kind_of(name: str) -> str:
    """Name what a file that cannot be read is."""
    return UNREADABLE.get(_suffix(name), f"a video ({_suffix(name)})")


def is_song(name: str) -> bool:
    """Whether a name is that of audio, in whatever format, but not of a video."""
    return names_audio(name) and not is_video(name)


def is_no_audio(name: str) -> bool:
    """Whether a name is that of a picture, a text or the like."""
    return _suffix(name) in NO_AUDIO


def is_clutter(name: str) -> bool:
    """Whether a path is what an operating system leaves beside files: hidden, AppleDouble, thumbnails."""
    return any(part.startswith(".") or part in CLUTTER for part in PurePosixPath(name).parts)


def is_absolute(text: str) -> bool:
    """Whether a name begins at the root of a file system, and not of a dataset."""
    plain = _plain(text)
    return bool(DRIVE.match(plain)) or plain.startswith("//") or (plain.startswith("/") and plain.count("/") > 2)


@dataclass(frozen=True)
class Meanings:
    """Names relative to the stimuli directory that a cell can mean; none if it leads out of the directory.

    Parameters
    ----------
    certain : tuple of str
        The name as it stands, and without what it only has in front.
    guesses : tuple of str
        Ends of a path of another computer, the longest first.
    """

    certain: tuple[str, ...] = ()
    guesses: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """All names, the likeliest first."""
        return tuple(dict.fromkeys((*self.certain, *self.guesses)))


def meanings(text: str) -> Meanings:
    """List the names relative to the stimuli directory that a cell can mean."""
    plain = _plain(text)
    if URI.match(plain):
        forms = [unquote(URI.sub("", plain, count=1))]
    else:
        forms = list(dict.fromkeys((plain, unquote(plain), text.strip().replace("\\", "/"))))
    found = [_meanings(form) for form in forms]
    return Meanings(
        tuple(dict.fromkeys(name for one in found for name in one.certain)),
        tuple(dict.fromkeys(name for one in found for name in one.guesses)),
    )


def _meanings(form: str) -> Meanings:
    rooted = is_absolute(form)
    parts = [part for part in DRIVE.sub("/", form).split("/") if part not in ("", ".")]
    folders = [part.casefold() for part in parts[:-1]]
    after = len(folders) - folders[::-1].index("stimuli") if "stimuli" in folders else 0
    if ".." in parts:
        # from a recording's folder up to the dataset, and down to its stimuli
        leads_back = after and set(parts[: after - 1]) == {".."} and ".." not in parts[after:]
        return Meanings(("/".join(parts[after:]),)) if leads_back else Meanings()
    if not parts or is_clutter("/".join(parts)):
        return Meanings()
    certain = ["/".join(parts), *(["/".join(parts[1:])] if folders[:1] == ["stimuli"] else [])]
    ends = [after] if after else range(1, len(parts))
    return Meanings(tuple(certain), tuple("/".join(parts[place:]) for place in ends) if rooted else ())


def _plain(text: str) -> str:
    """Take off what surrounds a name: blanks, quotation marks, `./`, and the slashes of another system."""
    plain = text.strip()
    if quoted := QUOTED.fullmatch(plain):
        plain = quoted[2].strip()
    plain = re.sub(r"^file://(localhost)?(?=/)", "", plain.replace("\\", "/"))
    return plain.removeprefix("./")


def _suffix(text: str) -> str:
    return PurePosixPath(_plain(text)).suffix.lower()
