"""What a derivative is made from, and whether it was made from exactly that before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from predann_bids import __version__
from predann_bids.bids.formats import source_files
from predann_bids.bids.music.cues import Cues, find_cues
from predann_bids.bids.music.stimuli import Stimuli
from predann_bids.bids.music.stimulus_map import StimulusMap
from predann_bids.bids.recordings import Recording
from predann_bids.config import Preprocessing, science_hash
from predann_bids.errors import UnusableData
from predann_bids.files import content_hash, glimpse, read_json, write_json


class ContentNotKnown(Exception):
    """A large file would have to be read as a whole."""


@dataclass(frozen=True)
class KnownContents:
    """Hashes of the large files of one recording, kept so that unchanged files are not read as a whole again.

    A file is unchanged if its size, its time of change and parts from all over it are. When only the time differs, as
    in a clone or a copy, its whole content is hashed again, and that alone decides.

    Parameters
    ----------
    file : Path
        Where they are kept; it can be deleted at any time.
    may_read : bool
        Whether files whose content is not known may be read as a whole.
    """

    file: Path
    may_read: bool = True

    def of(self, paths: Iterable[Path]) -> dict[Path, str]:
        """Return a hash of the content of each file.

        Raises
        ------
        ContentNotKnown
            It is not known, and may not be read.
        ReadOrWriteFailed
            A file cannot be read.
        """
        known = self._read()
        states = {path: _state(path) for path in paths}
        unknown = [path for path, state in states.items() if state not in known]
        if unknown and not self.may_read:
            raise ContentNotKnown
        contents = {path: known.get(state) or _content(path, state) for path, state in states.items()}
        if unknown:
            write_json(self.file, {state: contents[path] for path, state in states.items()})
        return contents

    def _read(self) -> Mapping[str, Any]:
        try:
            return read_json(self.file)
        except (FileNotFoundError, UnusableData):
            return {}


def _state(path: Path) -> str:
    stat = path.stat()
    return f"{path.name} {stat.st_size} {stat.st_mtime_ns} {glimpse(path)}"


@lru_cache(maxsize=256)
def _content(path: Path, state: str) -> str:  # noqa: ARG001 - a file in another state is read again
    """Hash a file; audio is that of many recordings, so it is done once."""
    return content_hash(path)


@dataclass(frozen=True)
class Sources:
    """What a derivative is made from, as far as tables and sidecars say.

    Parameters
    ----------
    recording : Recording
        The raw recording.
    config : Preprocessing
        What is done to it.
    stimulus_map : StimulusMap or None
        Rules that say which music was played.
    entities : mapping
        Entities that the map may have conditions on.
    events : Path or None
        Its events.tsv.
    cues : Cues
        What says that music is played.
    known : KnownContents
        Hashes of large files.
    """

    recording: Recording
    config: Preprocessing
    stimulus_map: StimulusMap | None
    entities: Mapping[str, str]
    events: Path | None
    cues: Cues
    known: KnownContents = field(repr=False)

    @classmethod
    def find(
        cls,
        recording: Recording,
        config: Preprocessing,
        stimuli_dir: Path,
        stimulus_map: StimulusMap | None,
        known: KnownContents,
    ) -> Sources:
        """Read the tables that say which music was played.

        Parameters
        ----------
        recording, config, stimulus_map, known
            As above.
        stimuli_dir : Path
            Where the audio is.

        Raises
        ------
        MissingInput, UnusableData
            They cannot be read.
        """
        events = recording.sidecar("events", ".tsv")
        entities = {name: getattr(recording, name) for name in ("participant", "session", "task", "run")}
        stimuli = Stimuli(stimuli_dir, recording.root / "stimuli")
        cues = find_cues(events, stimuli, stimulus_map=stimulus_map, entities=entities)
        return cls(recording, config, stimulus_map, entities, events, cues, known)

    @cached_property
    def contents(self) -> dict[Path, str]:
        """Hashes of the EEG and audio files."""
        return self.known.of(path for path in (*self._eeg, *self.cues.audio) if path.is_file())

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of everything that a derivative is made from, whatever its date and wherever it lies."""
        return science_hash(
            self.config,
            [*([path.name, content] for path, content in self.contents.items()), *self._texts()],
            self.stimulus_map.fingerprint(self.entities) if self.stimulus_map else [],
            __version__,
            *([cue.label for cue in self.cues.music] if self._has_labels_of_folders else []),
            *([self.cues.by_id] if self.cues.by_id else []),
        )

    @property
    def _eeg(self) -> list[Path]:
        path = self.recording.path
        beside = {one for one in path.parent.glob(f"{self.recording.name}_eeg.*") if one.suffix != ".json"}
        return sorted(beside.union(source_files(path)))

    def _texts(self) -> list[Any]:
        """Return the content of the tables and sidecars."""
        pairs = (("channels", ".tsv"), ("electrodes", ".tsv"), ("coordsystem", ".json"))
        found = [self.events, *(self.recording.sidecar(suffix, extension) for suffix, extension in pairs)]
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in found if path]
        return [*texts, self.recording.metadata()]

    @property
    def _has_labels_of_folders(self) -> bool:
        """Whether labels depend on which other files lie in the directory of the stimuli."""
        return any("/" in cue.label for cue in self.cues.music)
