"""The group level's part of the configuration: windows, splits, training and evaluation."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from predann_bids.config.fields import ADDED, Section, option
from predann_bids.config.teachers import NONE, WeightedTeacher


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
    placing: Literal["grid", "spans", "middles"] = Field(
        "grid",
        description="Where evaluation windows lie: 'grid' places one every stride; 'spans' cuts the test data into"
        " spans and places one at random in each, as published; 'middles' places it in the middle of each.",
    )
    span: float = Field(8.0, gt=0, description="Length of the spans of 'spans' and 'middles' in seconds.")
    span_stride: float = Field(1.6, gt=0, description="Interval between these spans in seconds.")
    channels: Literal["common", "interpolate", "all"] = Field(
        "common",
        description="Channels to use. 'common': those present and good in every recording; 'interpolate': those of one"
        " montage, to which every recording is interpolated; 'all': those present in every recording, good or bad, as"
        " published.",
        json_schema_extra=option("--channels"),
    )

    copies: Literal["report", "merge"] = Field(
        "report",
        description="What to do with stimuli that hold the same audio. 'report' names them and says how accurate"
        " decoders can be at most; 'merge' also makes one class, named after the first, of stimuli that are equal from"
        " beginning to end.",
        json_schema_extra=option("--copies") | ADDED,
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

    def by_other(self, split: str) -> Self:
        """Return the same with another split, which has as many folds as it takes by itself."""
        return self.model_copy(update={"split": split, "n_folds": 0})


class Training(Section):
    """How a decoder is trained."""

    encoders: str = Field(
        "temporal",
        min_length=1,
        description="Networks: 'temporal' works on log-mel spectra; '2d' and '1d' are the published networks on"
        " waveforms, whose EEG network treats channels by time as an image ('2d') or convolves over time ('1d');"
        " 'eeg-transformer' is that of PredANN++, which learns to predict masked classes of the teacher, and names"
        " songs from its CLS token, or from the mean over its tokens ('eeg-transformer-mean');"
        " 'labram', 'cbramod', 'biot' and 'reve' have that foundation model as EEG network, with random weights, or"
        " with those of a local file, as in labram:PATH.",
        json_schema_extra=option("--encoders", table="decoder"),
    )
    eeg_encoder: Literal["finetuned", "frozen"] = Field(
        "finetuned",
        json_schema_extra=option("--eeg-encoder") | ADDED,
        description="Whether a foundation model is trained with all else, or stays as it is, so that only what makes a"
        " representation of its tokens is trained. Other networks take no notice.",
    )
    eeg_encoder_learning_rate: float = Field(
        1e-4,
        gt=0,
        json_schema_extra=ADDED,
        description="Peak learning rate of a foundation model that is trained; what makes a representation of its"
        " tokens, and the audio network, have that of all networks.",
    )
    predann_weight: float = Field(
        3.0,
        ge=0,
        description="Weight of the PredANN objective; the baseline has 0.",
        json_schema_extra=option("--predann-weight"),
    )
    moments: Literal["others", "own", "all"] = Field(
        "others",
        json_schema_extra=ADDED,
        description="Moments of the songs that the song logits of a training window are computed from: 'others' of the"
        " batch, without its own; with its 'own'; or 'all' moments of all training songs, as in the test. Networks on"
        " waveforms have logits of their own and take no notice.",
    )
    song_weight: float = Field(
        1.0,
        ge=0,
        json_schema_extra=ADDED,
        description="Weight of the cross-entropy of the songs while 'eeg-transformer' is pretrained; the weight of its"
        " masked prediction is predann_weight.",
    )
    pretraining_epochs: int = Field(
        0,
        ge=0,
        description="Epochs in which 'eeg-transformer' is pretrained by masked prediction, before --epochs in which its"
        " encoder, with a fresh head, learns to name songs alone; 0 trains it from scratch. Other networks have none.",
        json_schema_extra=option("--pretraining-epochs") | ADDED,
    )
    classes_from: Literal["training", "all"] = Field(
        "training",
        json_schema_extra=ADDED,
        description="What the classes of masked prediction, clusters or bins of what the teacher says, are found on:"
        " the audio of the 'training' data, or 'all' audio, the tested included, as published.",
    )
    teacher: str = Field(
        "joint",
        min_length=1,
        json_schema_extra=option("--teacher", metavar="NAME") | ADDED,
        description="What the EEG network learns to predict: 'joint', an audio network that is trained with it on"
        " log-mel spectra; or frozen features that this network takes instead: mel, harmony, timbre, musicnn,"
        " crepe-tiny, basic-pitch, surprisal, entropy, your own from file:DIR, or those of musicgen:DIR, muq:DIR,"
        " wav2vec2:DIR or hubert:DIR (see docs/teachers.md).",
    )
    more_teachers: tuple[str, ...] = Field(
        (),
        json_schema_extra=option("--more-teachers", metavar="NAME[=WEIGHT]...") | ADDED,
        description="Further teachers, which the same EEG network learns to predict together with --teacher, as in"
        " surprisal=0.5 file:DIR. Each has an audio network of its own, and counts by its weight in losses and"
        " similarities; the weight is 1 unless given, and that of --teacher is 1.",
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
        description="Also train networks with PredANN weight 0: on the song label alone, and with the moment known.",
        json_schema_extra=option("--no-baseline", help="Do not train the networks with PredANN weight 0."),
    )

    @model_validator(mode="before")
    @classmethod
    def _seed_is_the_first(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("seeds"):
            return values | {"seed": values["seeds"][0]}
        return values

    @field_validator("more_teachers")
    @classmethod
    def _teachers_are_written_alike(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return () if texts == (NONE,) else tuple(str(WeightedTeacher.of(text)) for text in texts)

    @model_validator(mode="after")
    def _teachers_differ(self) -> Self:
        known: set[Any] = set()
        for teacher in self.teachers if self.more_teachers else ():
            if teacher.same in known:
                raise ValueError(
                    f"the teacher '{teacher.name}' is named twice: name each once, with --teacher or --more-teachers"
                )
            known.add(teacher.same)
        return self

    @model_validator(mode="after")
    def _seeds_differ(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must differ (found {', '.join(map(str, self.seeds))})")
        return self

    @property
    def teachers(self) -> tuple[WeightedTeacher, ...]:
        """All teachers, that of `teacher` first, whose weight is 1."""
        return (WeightedTeacher(self.teacher), *(WeightedTeacher.of(text) for text in self.more_teachers))

    @property
    def all_epochs(self) -> int:
        """Epochs of pretraining and of training."""
        return self.pretraining_epochs + self.epochs

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
    resamples: int = Field(9999, ge=99, description="Sign flips in the sign-flip test of a difference.")
    linear: bool = Field(
        True,
        description="Also evaluate decoders that are solved for in closed form: linear, multiband ridge, CCA.",
        json_schema_extra=option("--no-linear", help="Do not evaluate decoders that are solved for in closed form."),
    )
    probe: bool = Field(
        True,
        description="Also measure what the network uses: delays, channels, frequency bands.",
        json_schema_extra=option("--no-probe", help="Do not measure what the network uses."),
    )
    permutations: int = Field(
        0,
        ge=0,
        description="Number of label permutations for the chance level. 0 means 999 where the decoders are kept, which"
        " costs nothing, and none for the splits 'chunk' and 'time', where each trains every decoder again.",
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
    predict_features: tuple[str, ...] = Field(
        (),
        description="Also measure how well held-out EEG predicts these audio features, linearly and by way of what the"
        " network represents: 'onsets', 'log-mel', or the name of a teacher.",
        json_schema_extra=option("--predict-features", metavar="NAME...") | ADDED,
    )
