"""The configuration: everything that changes results (science), as opposed to how the work is done (execution).

Science is a tree of frozen sections. Only science goes into hashes, so a run with more processes or another output
directory finds its finished work again. Values come from the preset, the TOML file and the command line; later ones
win. A field is the only place where a key is described: `option` makes it an option of the command line, and `--help`,
`boutiques.json` and `docs/options.md` are made from its description.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

from predann_bids.errors import MissingInput, WrongUsage
from predann_bids.files import write_text

Preset = Literal["default", "published"]
# marks a field that was added after the first release; see `science_hash`; `option("--flag") | ADDED` is both
ADDED: JsonDict = {"added": True}
# marks a field that must be the same for the EEG that a decoder was trained on and for that which it is used on
BINDING: JsonDict = {"binding": True}


def option(flag: str, *, help: str = "", metavar: str = "", table: str = "") -> JsonDict:
    """Mark a field as an option of the command line.

    The field's type decides how it is typed: a tuple takes all words up to the next option, a bool is a switch that
    reverses the default, anything else takes one value.

    Parameters
    ----------
    flag : str
        Name of the option, such as `--delay`.
    help : str
        Help text where the field's description does not fit, as for a switch.
    metavar : str
        What stands for the value in help texts; by default the name of its type, or the choices.
    table : str
        Kind of thing that the value names, of which `report.words` has a table, where the field's type lists no names:
        'split', 'decoder'.

    Returns
    -------
    dict
        For the field's `json_schema_extra`.
    """
    given: JsonDict = {"flag": flag, "help": help, "metavar": metavar, "table": table}
    return {name: value for name, value in given.items() if value}


class Section(BaseModel):
    """Base of all sections: frozen, and strict about names."""

    # built on first use: `--help` needs no validator
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class Preprocessing(Section):
    """From a raw recording to its derivative; the participant level."""

    l_freq: float = Field(
        1.0,
        ge=0,
        description="Lower edge of the band-pass in Hz; 0 leaves it open.",
        json_schema_extra=option("--l-freq") | BINDING,
    )
    h_freq: float = Field(
        40.0,
        ge=0,
        description="Upper edge of the band-pass in Hz; 0 leaves it open.",
        json_schema_extra=option("--h-freq") | BINDING,
    )
    notch: Literal["auto", "none"] | Annotated[float, Field(gt=0)] = Field(
        "auto",
        description="Line frequency in Hz to remove with its harmonics, 'auto' for the sidecar's"
        " PowerLineFrequency, or 'none'.",
        json_schema_extra=option("--notch") | BINDING,
    )
    line_noise: Literal["notch", "zapline"] = Field(
        "notch",
        description="How line noise is removed: FIR notch filters, or 'zapline' (de Cheveigné 2020), which spares the"
        " spectrum around.",
        json_schema_extra=option("--line-noise"),
    )
    resample: float = Field(
        125.0,
        gt=0,
        description="Sampling rate of the derivative in Hz.",
        json_schema_extra=option("--resample") | BINDING,
    )
    resampling: Literal["polyphase", "fourier"] = Field(
        "polyphase",
        description="How the sampling rate is changed: 'polyphase', or 'fourier' by cutting the spectrum of the whole"
        " recording, as published.",
    )
    reference: str = Field(
        "average",
        min_length=1,
        description="Reference of the derivative: 'average', 'mastoids', 'rest' (REST, Yao 2001), names of channels"
        " joined by commas, or 'none' to keep that of the recording.",
        json_schema_extra=option("--reference") | BINDING,
    )
    bad_channels: Literal["none", "auto"] = Field(
        "none",
        description="'auto' looks for bad channels as the PREP pipeline does; flat channels and those that channels.tsv"
        " marks as bad are taken as bad in any case.",
        json_schema_extra=option("--bad-channels"),
    )
    bad_channels_correlation: float = Field(
        0.4, gt=0, lt=1, description="A channel is bad when it correlates less than this with all others, too often."
    )
    bad_channels_deviation: float = Field(
        5.0, gt=0, description="A channel is bad when its amplitude deviates by more than this robust z-score."
    )
    bad_channels_hf_noise: float = Field(
        5.0, gt=0, description="A channel is bad when its share of noise above 50 Hz exceeds this robust z-score."
    )
    bad_channels_ransac: bool = Field(
        True, description="Also take as bad what other channels cannot predict (RANSAC); slow with many channels."
    )
    interpolation: Literal["spline", "none"] = Field(
        "spline", description="Whether bad channels are interpolated (spherical splines) or stay, marked as bad."
    )
    ica: Literal["none", "auto"] = Field(
        "none",
        description="'auto' removes independent components that ICLabel takes for artefacts.",
        json_schema_extra=option("--ica"),
    )
    ica_reject: tuple[Literal["eye", "muscle", "heart", "channel"], ...] = Field(
        ("eye", "muscle", "heart", "channel"), min_length=1, description="Kinds of components to remove."
    )
    ica_threshold: float = Field(
        0.8, gt=0, lt=1, description="Probability that ICLabel must give to a kind for a component to be removed."
    )
    bad_spans: Literal["exclude", "keep"] = Field(
        "exclude",
        description="Whether windows that touch what annotations call BAD_... or boundary are kept out of training and"
        " testing.",
    )
    shortest: float = Field(
        3.0,
        gt=0,
        description="Presentations shorter than this, in seconds, are of no use and are left out.",
    )
    further: tuple[str, ...] = Field(
        (), json_schema_extra=ADDED, description="Steps of plugins to apply as well, by name."
    )

    @model_validator(mode="after")
    def _band_fits_the_rate(self) -> Self:
        if self.h_freq and self.h_freq <= self.l_freq:
            raise ValueError(f"h_freq ({self.h_freq:g} Hz) must lie above l_freq ({self.l_freq:g} Hz)")
        if self.h_freq and self.h_freq >= self.resample / 2:
            raise ValueError(
                f"h_freq ({self.h_freq:g} Hz) must lie below half the sampling rate ({self.resample / 2:g} Hz)"
            )
        return self


class Windowing(Section):
    """How presentations are cut into windows of EEG and audio."""

    length: float = Field(3.0, gt=0, description="Window length in seconds.", json_schema_extra=option("--window"))
    delay: float = Field(
        0.2,
        ge=-2,
        le=2,
        description="How much later the EEG is taken than the audio, in seconds.",
        json_schema_extra=option("--delay"),
    )
    audio_context: float = Field(
        0.0,
        ge=0,
        description="Length of the audio that the audio network sees in training, in seconds, centred on the EEG"
        " window; 0 means the window length.",
        json_schema_extra=option("--audio-context"),
    )
    stride: float = Field(1.0, gt=0, description="Interval between evaluation windows in seconds.")
    first: float = Field(
        0.0, ge=0, description="Use only this much of each presentation, in seconds from its onset; 0 uses all of it."
    )
    scaling: Literal["recording", "window"] = Field(
        "recording",
        description="'recording' standardises and whitens each recording; 'window' scales each channel of each window"
        " by its median and interquartile range, as published.",
    )
    placing: Literal["grid", "spans"] = Field(
        "grid",
        description="Where evaluation windows lie: 'grid' places one every stride; 'spans' cuts the test data into"
        " spans and places one at random in each, as published.",
    )
    span: float = Field(8.0, gt=0, description="Length of the spans of 'spans' in seconds.")
    span_stride: float = Field(1.6, gt=0, description="Interval between the spans of 'spans' in seconds.")
    channels: Literal["common", "interpolate", "all"] = Field(
        "common",
        description="Channels to use. 'common': those present and good in every recording; 'interpolate': those of one"
        " montage, to which every recording is interpolated; 'all': those present in every recording, good or bad, as"
        " published.",
        json_schema_extra=option("--channels"),
    )

    @model_validator(mode="after")
    def _context_covers_the_window(self) -> Self:
        if 0 < self.audio_context < self.length:
            raise ValueError(
                f"audio_context ({self.audio_context:g} s) must be at least as long as the window"
                f" ({self.length:g} s), or 0"
            )
        if 0 < self.first < self.length:
            raise ValueError(
                f"first ({self.first:g} s) must be at least as long as the window ({self.length:g} s), or 0"
            )
        return self


class Splitting(Section):
    """How training, validation and test data are kept apart."""

    split: str = Field(
        "participant",
        min_length=1,
        description="What training and test data never share: participants, songs ('stimulus'), sessions or runs;"
        " with 'time', a part of every presentation; with 'chunk', chunks of it, as published. Under 'time' and 'chunk'"
        " a decoder can succeed by recognising the recording instead of the music.",
        json_schema_extra=option("--split", table="split"),
    )
    n_folds: int = Field(
        0,
        ge=0,
        description="Number of folds; 0 means the single published 75/25 split for 'chunk', one fold per session or"
        " run for 'session' and 'run', and otherwise 4, or fewer if there are fewer participants or, for 'stimulus',"
        " if a test set would hold fewer than two songs.",
        json_schema_extra=option("--n-folds"),
    )
    chunk: float = Field(10.0, gt=0, description="Chunk length in seconds, for the split 'chunk'.")
    validation: float = Field(
        0.15,
        ge=0,
        lt=1,
        description="Share of the training data (participants, recordings, chunks or time) held back for early"
        " stopping; 0 trains on all of it.",
    )
    split_seed: Literal["auto"] | Annotated[int, Field(ge=0)] = Field(
        "auto", description="Seed of the split; 'auto' uses the training seed."
    )


class Training(Section):
    """How a decoder is trained."""

    encoders: str = Field(
        "temporal",
        min_length=1,
        description="Networks: 'temporal' works on log-mel spectra; '2d' and '1d' are the published networks on"
        " waveforms, whose EEG network treats channels by time as an image ('2d') or convolves over time ('1d').",
        json_schema_extra=option("--encoders", table="decoder"),
    )
    predann_weight: float = Field(
        3.0,
        ge=0,
        description="Weight of the PredANN objective; the baseline has 0.",
        json_schema_extra=option("--predann-weight"),
    )
    teacher: str = Field(
        "joint",
        min_length=1,
        json_schema_extra=option("--teacher", metavar="NAME") | ADDED,
        description="What the EEG network learns to predict: 'joint', an audio network that is trained with it on"
        " log-mel spectra; or the name of frozen audio features that this network takes instead.",
    )
    temperature: float = Field(0.1, gt=0, description="Temperature of the PredANN objective.")
    stop_gradient: bool = Field(
        False, description="Whether the PredANN objective trains only the EEG network, as published, or both networks."
    )
    epochs: int = Field(
        50, ge=1, description="Maximum number of training epochs.", json_schema_extra=option("--epochs")
    )
    batch_size: int = Field(
        96, ge=2, description="Windows per training step.", json_schema_extra=option("--batch-size")
    )
    learning_rate: float = Field(
        1e-2, gt=0, description="Peak learning rate.", json_schema_extra=option("--learning-rate")
    )
    schedule: Literal["cosine", "constant"] = Field(
        "cosine", description="Whether the learning rate rises and falls along a cosine, or stays constant."
    )
    weight_decay: float = Field(1e-2, ge=0, description="Weight decay of AdamW; 0 makes it Adam.")
    drawing: Literal["filled", "single"] = Field(
        "filled",
        description="Windows in an epoch: 'filled' takes as many as fit side by side in the training data; 'single'"
        " takes one from each chunk of splitting.chunk seconds, as published.",
    )
    keep: Literal["best", "last"] = Field(
        "best",
        description="'best' stops early and keeps the weights with the lowest validation loss; 'last' trains for all"
        " epochs and keeps the final weights, as published.",
    )
    patience: int = Field(
        15, ge=1, description="Epochs without improvement of the validation loss before training stops."
    )
    validate_every: int = Field(1, ge=1, description="Epochs from one validation to the next.")
    seed: int = Field(0, ge=0, description="Seed of everything random.", json_schema_extra=option("--seed"))
    n_seeds: int = Field(
        1,
        ge=1,
        description="Train each decoder with this many seeds, from --seed upwards, on the same folds, and pool the"
        " results.",
        json_schema_extra=option("--n-seeds"),
    )
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (),
        description="Seeds to use instead of those from --seed upwards; a --seed typed beside a preset replaces the"
        " preset's seeds.",
    )
    baseline: bool = Field(
        True,
        description="Also train the matched model with PredANN weight 0.",
        json_schema_extra=option("--no-baseline", help="Do not train the matched model with PredANN weight 0."),
    )

    @model_validator(mode="before")
    @classmethod
    def _seed_is_the_first(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("seeds"):
            return values | {"seed": values["seeds"][0]}
        return values

    @model_validator(mode="after")
    def _seeds_differ(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must differ (found {', '.join(map(str, self.seeds))})")
        return self

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """Seeds with which each decoder is trained, once with each."""
        return self.seeds or tuple(range(self.seed, self.seed + self.n_seeds))


class Evaluation(Section):
    """How decisions are scored."""

    lengths: tuple[float, ...] = Field(
        (),
        description="Lengths of the evaluated segments in seconds, each the window length plus whole strides; empty"
        " means the window length and 1 to 4 strides more, as far as they fit into the spans.",
    )
    resamples: int = Field(9999, ge=99, description="Bootstrap resamples of participants.")
    linear: bool = Field(
        True,
        description="Also evaluate the linear reference, a backward temporal response function.",
        json_schema_extra=option("--no-linear", help="Do not evaluate the linear reference."),
    )
    probe: bool = Field(
        True,
        description="Also measure what the network uses: delays, channels, frequency bands.",
        json_schema_extra=option("--no-probe", help="Do not measure what the network uses."),
    )
    permutations: int = Field(
        0,
        ge=0,
        description="Number of label permutations for the chance level; for the splits 'chunk' and 'time', each trains"
        " every decoder again.",
        json_schema_extra=option("--permutations"),
    )
    control: Literal["none", "fingerprint"] = Field(
        "none",
        description="'fingerprint' repeats the analysis on data in which music and EEG do not belong together, which"
        " shows how much accuracy comes from marks of the recordings and not from the music.",
        json_schema_extra=option("--control"),
    )
    also_splits: tuple[str, ...] = Field(
        (),
        description="Further splits to evaluate, such as 'stimulus' for songs never trained on.",
        json_schema_extra=option("--also-split", metavar="SPLIT...", table="split"),
    )


class Science(Section):
    """Everything that changes results."""

    preset: Preset = Field("default", description="Starting point of the configuration.")
    preprocessing: Preprocessing = Field(default_factory=Preprocessing)
    windows: Windowing = Field(default_factory=Windowing)
    splitting: Splitting = Field(default_factory=Splitting)
    training: Training = Field(default_factory=Training)
    evaluation: Evaluation = Field(default_factory=Evaluation)

    @model_validator(mode="after")
    def _lengths_are_made_of_windows(self) -> Self:
        length, stride = self.windows.length, self.windows.stride
        for wanted in self.evaluation.lengths:
            steps = (wanted - length) / stride
            if steps < 0 or abs(steps - round(steps)) > 1e-6:
                raise ValueError(
                    f"evaluation.lengths: {wanted:g} s is not a window ({length:g} s) plus whole strides ({stride:g} s)"
                )
        return self

    @model_validator(mode="after")
    def _spans_hold_segments(self) -> Self:
        longest = max(self.lengths)
        if self.windows.placing == "spans" and self.windows.span <= longest:
            raise ValueError(
                f"windows.span ({self.windows.span:g} s) must be longer than the longest evaluated segment"
                f" ({longest:g} s): see evaluation.lengths"
            )
        return self

    @model_validator(mode="after")
    def _best_weights_need_validation(self) -> Self:
        if self.training.keep == "best" and not self.splitting.validation:
            raise ValueError(
                "splitting.validation is 0, but training.keep = 'best' needs validation data: set training.keep ="
                " 'last'"
            )
        if self.training.keep == "best" and self.training.validate_every > self.training.epochs:
            raise ValueError(
                f"training.validate_every ({self.training.validate_every}) exceeds training.epochs"
                f" ({self.training.epochs}), but training.keep = 'best' needs at least one validation"
            )
        return self

    @property
    def lengths(self) -> tuple[float, ...]:
        """Lengths of the evaluated segments in seconds, the window's first."""
        length, stride = self.windows.length, self.windows.stride
        lengths = self.evaluation.lengths or tuple(length + steps * stride for steps in range(5))
        if self.windows.placing == "spans" and not self.evaluation.lengths:
            lengths = tuple(seconds for seconds in lengths if seconds < self.windows.span)
        return tuple(sorted({length, *lengths}))


def keys() -> dict[str, FieldInfo]:
    """Return the fields of all sections by their dotted names, such as `windows.delay`."""
    return {
        f"{section}.{key}": field for section, kind in sections().items() for key, field in kind.model_fields.items()
    }


def sections() -> dict[str, type[Section]]:
    """Return the sections of the configuration by name."""
    kinds = {name: field.annotation for name, field in Science.model_fields.items()}
    return {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Section)}


def option_of(field: FieldInfo) -> JsonDict:
    """Return what `option` says of a field; empty for a field that only the configuration file can set."""
    extra = field.json_schema_extra
    return extra if isinstance(extra, dict) and "flag" in extra else {}


# Akama et al. 2025, "Methods": every number that differs from the defaults
PUBLISHED: Mapping[str, Any] = {
    "preprocessing": {
        "l_freq": 0.0,
        "h_freq": 0.0,
        "notch": "none",
        "reference": "none",
        "interpolation": "none",
        "resample": 125.0,
        "resampling": "fourier",
        "bad_spans": "keep",
    },
    "windows": {
        "channels": "all",
        "first": 240.0,
        "scaling": "window",
        "placing": "spans",
        "span": 8.0,
        "span_stride": 1.6,
    },
    "splitting": {"split": "chunk", "chunk": 30.0, "validation": 0.0, "split_seed": 42},
    "training": {
        "encoders": "2d",
        "predann_weight": 0.05,
        "temperature": 0.5,
        "stop_gradient": True,
        "epochs": 6000,
        "batch_size": 48,
        "learning_rate": 0.003,
        "schedule": "constant",
        "weight_decay": 0.0,
        "drawing": "single",
        "keep": "last",
        "validate_every": 12,
        "seeds": (0, 1, 2, 42),
    },
    "evaluation": {"linear": False, "probe": False},
}
PRESETS: Mapping[Preset, Mapping[str, Any]] = {"default": {}, "published": PUBLISHED}


def resolve(
    *, preset: Preset | None = None, file: Path | None = None, flags: Mapping[str, Any] | None = None
) -> Science:
    """Merge preset, TOML file and command-line flags, the later over the earlier.

    Parameters
    ----------
    preset : str, optional
        Overrides the file's own `preset`.
    file : Path, optional
        TOML with the sections of `Science`.
    flags : mapping, optional
        Dotted names to values, such as ``{"windows.delay": 0.2}``.

    Raises
    ------
    WrongUsage
        A key is unknown, and the message names the nearest known one; or a value does not fit.
    MissingInput
        The file does not exist.
    """
    values = _read(file) if file else {}
    values.pop("selection", None)  # not science; see `read_selection`
    _refuse_unknown(values, Science, file)
    chosen = preset or values.get("preset", "default")
    if chosen not in PRESETS:
        raise WrongUsage(f"Unknown preset '{chosen}': expected one of {', '.join(PRESETS)}.")
    layers = [PRESETS[chosen], values, _nested(flags or {})]
    merged = _merge(*_without_seeds_below(layers), {"preset": chosen})
    try:
        return Science.model_validate(merged)
    except ValidationError as error:
        raise WrongUsage(_sentence(error, file, values)) from error


def dump(science: Science, path: Path, **more: Mapping[str, Any]) -> None:
    """Write a configuration as TOML, sufficient to repeat the run; `more` adds tables such as the selection."""
    import tomli_w

    write_text(path, tomli_w.dumps(science.model_dump(mode="json") | more))


def read_selection(file: Path) -> dict[str, list[str]]:
    """Read which participants, sessions, tasks and runs a written configuration selects."""
    selection = _read(file).get("selection", {})
    if not isinstance(selection, dict) or not all(isinstance(value, list) for value in selection.values()):
        raise WrongUsage(f"{file}: [selection] must hold lists of labels.")
    return selection


def science_hash(*parts: Any) -> str:
    """Fingerprint of sections and plain values; equal for equal science.

    A key that was added to the configuration later (`ADDED`) counts only when it is not at its default, so that what
    was finished before is still known to be finished.
    """
    plain = [hashed(part) if isinstance(part, Section) else part for part in parts]
    return hashlib.blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=16).hexdigest()


def hashed(section: Section) -> dict[str, Any]:
    """Return the values of a section that fingerprints are made of."""
    plain = section.model_dump(mode="json")
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            plain[name] = hashed(value)
        elif _is_added(field) and value == field.get_default(call_default_factory=True):
            del plain[name]
    return plain


def _is_added(field: FieldInfo) -> bool:
    return isinstance(field.json_schema_extra, dict) and bool(field.json_schema_extra.get("added"))


def _read(file: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise MissingInput(f"The configuration file {file} does not exist.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongUsage(f"{file} is not valid TOML: {error}.") from error


def _merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = merged.get(key)
            merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return merged


def _without_seeds_below(layers: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Drop a list of seeds if a later layer gives a first seed or a number of seeds, which would contradict it."""
    named = [index for index, layer in enumerate(layers) if {"seed", "n_seeds"} & set(layer.get("training", {}))]
    last = max(named, default=0)
    return [
        layer | {"training": {key: value for key, value in layer["training"].items() if key != "seeds"}}
        if index < last and "training" in layer
        else layer
        for index, layer in enumerate(map(dict, layers))
    ]


def _nested(flags: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in flags.items():
        *sections, key = name.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[key] = value
    return tree


def _refuse_unknown(
    values: Mapping[str, Any], section: type[Section], file: Path | None, above: Sequence[str] = ()
) -> None:
    from predann_bids.registry import nearest

    known = section.model_fields
    for key, value in values.items():
        name = ".".join([*above, key])
        if key not in known:
            names = [".".join([*above, one]) for one in known]
            raise WrongUsage(f"{file}: unknown key '{name}'. {nearest(name, names)}")
        kind = known[key].annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            if not isinstance(value, Mapping):
                raise WrongUsage(f"{file}: '{name}' must be a section, [{name}], and not a value.")
            _refuse_unknown(value, kind, file, [*above, key])


def _sentence(error: ValidationError, file: Path | None, written: Mapping[str, Any]) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][:2])
    section, _, key = name.partition(".")
    if key and key not in written.get(section, {}):
        file = None  # the value comes from the command line
    reason = first["msg"].removeprefix("Value error, ")
    found = "" if isinstance(first["input"], dict) else f" (found {first['input']!r})"
    return f"Configuration{f' in {file}' if file else ''}: {name + ': ' if name else ''}{reason}{found}."
