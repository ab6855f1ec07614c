"""Register what other packages bring: decoders, teachers, splits and preprocessing steps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from predann_bids.registry import remember_module
from predann_bids.report.methods.preprocessing import add_step_words
from predann_bids.report.words.decoders import add_decoder_words
from predann_bids.report.words.features import add_feature_words
from predann_bids.report.words.splits import add_split_words

# kind of a registry -> what adds the words that the report has for its members
ADD_WORDS: Mapping[str, Callable[[str, Any], None]] = {
    "decoder": add_decoder_words,
    "audio feature": add_feature_words,
    "split": add_split_words,
    "preprocessing step": add_step_words,
}


def register(name: str, member: type, words: Any) -> None:
    """Add a decoder, audio features (a teacher), a split or a preprocessing step under a name of its own.

    From then on the name can be used like those of built-in members: `--split NAME`, `--encoders NAME`,
    `--teacher NAME`, or in the configuration's `preprocessing.further`. Modules that register something are imported
    again in worker processes, so call this when your module is imported; an entry point of the group
    `predann_bids.plugins` that names the module lets the command line find it.

    Parameters
    ----------
    name : str
        The name.
    member : type
        A subclass of `models.decoder.Decoder`, `models.audio.features.AudioFeatures`, `data.splits.SplitKind` or
        `signals.preprocessing.interface.PreprocessingStep`.
    words : DecoderWords, FeatureWords, SplitWords or StepWords
        What reports and the methods text say about it; see `predann_bids.report.words` and
        `predann_bids.report.methods.preprocessing`.

    Raises
    ------
    TypeError
        Members of this kind cannot be registered.
    ValueError
        The name is taken.

    Examples
    --------
    >>> from predann_bids import register
    >>> from predann_bids.models.audio.features import FEATURES
    >>> from predann_bids.models.audio.log_mel import LogMel
    >>> from predann_bids.report.words.features import FeatureWords
    >>> class Fine(LogMel):
    ...     def __init__(self, rate_hz):
    ...         super().__init__(rate_hz, bands=64)
    >>> register("fine-mel", Fine, FeatureWords("log-mel spectra of 64 bands"))
    >>> FEATURES["fine-mel"] is Fine
    True
    """
    registry = getattr(member, "registry", None)
    if registry is None:
        raise TypeError(f"{member.__name__} is no decoder, audio features, split or preprocessing step")
    registry.add(name)(member)
    ADD_WORDS[registry.kind](name, words)
    module = sys.modules.get(member.__module__)
    if module is not None and getattr(module, "__spec__", None):  # a notebook cannot be imported again
        remember_module(member.__module__)
