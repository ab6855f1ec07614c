"""Find audio files by the names that events files and stimulus maps give them."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from predann_bids.bids.music.names import (
    is_absolute,
    is_clutter,
    is_no_audio,
    is_readable,
    is_song,
    is_unreadable,
    is_video,
    kind_of,
    meanings,
    names_audio,
)
from predann_bids.errors import MissingInput, UnusableData
from predann_bids.files import dangling_in_words


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
    of_dataset : Path, optional
        `BIDS_DIR/stimuli`, where a table of the stimuli may lie although the audio is elsewhere.
    """

    directory: Path
    of_dataset: Path | None = None

    def names_audio(self, text: str) -> bool:
        """Whether a cell of a table names audio: by its extension, or as a file of the directory without its own."""
        if names_audio(text):
            return True
        return text not in ("", "n/a") and not is_no_audio(text) and bool(self._without_extension(text))

    def lacks_video(self, text: str) -> bool:
        """Whether a cell names a video of which nothing is there, neither itself nor its sound."""
        if not is_video(text):
            return False
        stems = {_folded(_stem(name)) for name in meanings(text).all}
        return not any(_folded(_stem(name)) in stems for name in self._all)

    def label(self, name: str) -> str:
        """Return the name of a song's class: its stem, or, if files in several folders share it, folders and stem.

        All files of the directory count, whether they are played or not, so that labels agree between recordings.
        """
        path = PurePosixPath(name)
        shared = len(self._places[unicodedata.normalize("NFC", path.stem)]) > 1
        return path.with_suffix("").as_posix() if shared else path.stem

    def locate(self, wanted: str) -> AudioFile:
        """Find an audio file.

        Names are taken relative to the directory. Differences between systems are tolerated: a leading `stimuli/`, the
        form of a BIDS URI, backslashes, quotation marks, the way accents are encoded, upper and lower case. So are
        another audio format of the same name, and a path of another computer that ends in a name of the directory.

        Raises
        ------
        MissingInput
            There is no such file, or it is a link to content that was not fetched.
        UnusableData
            The name points outside of the directory, could mean several files, or means one that cannot be read.
        """
        meant = meanings(wanted)
        if not meant.all:
            raise self._outside(wanted)
        for name in meant.all:
            path = self.directory / name
            if path.is_file() and (is_readable(name) or self._is_read_by_content(path)):
                return AudioFile(path, name, _note(name, wanted, meant.certain))
            if path.is_dir() and is_readable(name):
                raise UnusableData(f"the audio {path} is a directory; put the file that is meant in its place")
            if path.is_symlink() and not path.exists():
                raise MissingInput(f"the audio {path} {dangling_in_words(path)}")
        found = next(filter(None, map(self._alike, meant.all)), []) or self._without_extension(wanted)
        if len(found) > 1:
            raise UnusableData(
                f"the audio '{wanted}' could be {' or '.join(sorted(found))} of {self.directory}; keep one of them"
            )
        if not found:
            raise self._missing(wanted, meant.all)
        return AudioFile(self.directory / found[0], found[0], _note(found[0], wanted, meant.certain))

    def _alike(self, name: str) -> list[str]:
        """Return the files whose name differs in upper and lower case, accents, or else in the format."""
        wanted, stem = _folded(name), _folded(_stem(name))
        exactly = [other for other in self._names if _folded(other) == wanted]
        return exactly or ([] if is_no_audio(name) else self._by_stem.get(stem, []))

    def _without_extension(self, wanted: str) -> list[str]:
        return [other for name in meanings(wanted).all for other in self._by_stem.get(_folded(name), ())]

    def _missing(self, wanted: str, names: tuple[str, ...]) -> MissingInput | UnusableData:
        unread = [other for other in self._unreadable if _folded(other) in {_folded(name) for name in names}]
        if not unread:
            stems = {_folded(_stem(name)) for name in names}
            unread = [other for other in self._unreadable if _folded(_stem(other)) in stems]
        if unread:
            stem = _stem(unread[0])
            return UnusableData(
                f"the audio '{wanted}' is {kind_of(unread[0])}, which cannot be read here; convert it, in"
                f' {self.directory}, with \'ffmpeg -i "{unread[0]}" "{stem}.wav"\''
            )
        if is_absolute(wanted):
            return self._outside(wanted)
        return MissingInput(
            f"the audio '{wanted}' is not in {self.directory}. Put it there, or set --stimuli-dir to where it is"
        )

    def _outside(self, wanted: str) -> UnusableData:
        return UnusableData(
            f"the audio '{wanted}' lies outside of {self.directory}; give it relative to that directory, or set"
            " --stimuli-dir to where the audio is"
        )

    @staticmethod
    def _is_read_by_content(path: Path) -> bool:
        import soundfile

        try:
            soundfile.info(str(path))
        except (soundfile.LibsndfileError, OSError):
            return False
        return True

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(name for name in self._all if is_readable(name) and (self.directory / name).is_file())

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        stems: dict[str, list[str]] = {}
        for name in self._names:
            stems.setdefault(_folded(_stem(name)), []).append(name)
        return stems

    @cached_property
    def _unreadable(self) -> tuple[str, ...]:
        return tuple(name for name in self._all if is_unreadable(name))

    @cached_property
    def _all(self) -> tuple[str, ...]:
        """Names of all audio, also of what was not fetched."""
        return tuple(sorted(audio_names(self.directory)))

    @cached_property
    def _places(self) -> defaultdict[str, set[str]]:
        places: defaultdict[str, set[str]] = defaultdict(set)
        for name in filter(is_song, self._all):
            path = PurePosixPath(unicodedata.normalize("NFC", name))
            places[path.stem].add(str(path.parent))
        return places


def audio_names(directory: Path) -> Iterator[str]:
    """List the audio files below a directory, relative to it: links to what was not fetched too, no hidden files."""
    for path in directory.rglob("*"):
        name = path.relative_to(directory).as_posix()
        if names_audio(name) and not is_clutter(name) and (path.is_file() or path.is_symlink()):
            yield name


def readable_files(directory: Path) -> list[str]:
    """List the audio files below a directory that are there and can be read, relative to it."""
    return sorted(name for name in audio_names(directory) if is_readable(name) and (directory / name).is_file())


def _note(found: str, wanted: str, certain: tuple[str, ...]) -> str:
    """Say that another file is taken than the one that is named; two ways to encode an accent look the same."""
    same = unicodedata.normalize("NFC", found) in {unicodedata.normalize("NFC", name) for name in certain}
    return "" if same else f"'{found}' is taken for '{wanted}'"


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
