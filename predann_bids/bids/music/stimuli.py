"""Find audio files by the names that events files and stimulus maps give them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from predann_bids.errors import MissingInput, UnusableData

AUDIO_EXTENSIONS = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".opus")


def names_audio(text: str) -> bool:
    """Whether a cell of a table names an audio file."""
    return PurePosixPath(text).suffix.lower() in AUDIO_EXTENSIONS


@dataclass(frozen=True)
class AudioFile:
    """An audio file: its path, its name relative to the stimuli directory, and a note if its name is not as asked."""

    path: Path
    name: str
    note: str = ""


@dataclass(frozen=True)
class Stimuli:
    """The directory that the audio lies in.

    Parameters
    ----------
    directory : Path
        `BIDS_DIR/stimuli`, or what the user says.
    """

    directory: Path

    def locate(self, wanted: str) -> AudioFile:
        """Find an audio file.

        Names are taken relative to the directory. Differences between systems are tolerated: a leading `stimuli/`,
        backslashes, the way accents are encoded, upper and lower case. So is another audio format of the same name.

        Raises
        ------
        MissingInput
            There is no such file, or it is a link to content that was not fetched.
        UnusableData
            The name points outside of the directory, or could mean several files.
        """
        cleaned = wanted.replace("\\", "/").removeprefix("/")
        if ".." in PurePosixPath(cleaned).parts or PurePosixPath(cleaned).is_absolute():
            raise UnusableData(
                f"the audio '{wanted}' lies outside of {self.directory}; give it relative to that directory, or set"
                " --stimuli-dir to where the audio is"
            )
        for name in (cleaned, cleaned.removeprefix("stimuli/")):
            path = self.directory / name
            if path.is_file():
                return AudioFile(path, name)
            if path.is_symlink():
                raise MissingInput(
                    f"the audio {path} is a link to content that is not there; fetch it, e.g. with 'datalad get'"
                )
        return self._similar(cleaned.removeprefix("stimuli/"), wanted)

    def _similar(self, name: str, wanted: str) -> AudioFile:
        files = [name_ for name_ in self._names if _folded(name_) == _folded(name)]
        if not files:
            stem = _folded(str(PurePosixPath(name).with_suffix("")))
            files = [other for other in self._names if _folded(str(PurePosixPath(other).with_suffix(""))) == stem]
        if len(files) > 1:
            raise UnusableData(
                f"the audio '{wanted}' could be {' or '.join(sorted(files))} of {self.directory}; keep one of them"
            )
        if not files:
            raise MissingInput(
                f"the audio '{wanted}' is not in {self.directory}. Put it there, or set --stimuli-dir to where it is"
            )
        # two ways to encode an accent look the same
        same = unicodedata.normalize("NFC", files[0]) == unicodedata.normalize("NFC", name)
        note = "" if same else f"'{files[0]}' is taken for '{wanted}'"
        return AudioFile(self.directory / files[0], files[0], note)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        files = (path for path in self.directory.rglob("*") if names_audio(path.name) and path.is_file())
        return tuple(sorted(path.relative_to(self.directory).as_posix() for path in files))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
