"""Text for the methods section of a paper: from recordings to derivatives."""

from __future__ import annotations

from predann_bids import __version__
from predann_bids.config import Preprocessing
from predann_bids.report.text import listed

KINDS = {"eye": "eyes", "muscle": "muscles", "heart": "the heart", "channel": "single channels"}


def preprocessing_methods(config: Preprocessing) -> str:
    """Describe the participant level in words: what is configured, with its parameters, in the order it is done."""
    sentences = [
        _line_noise(config),
        _bad_channels(config),
        _components(config),
        _interpolation(config),
        _band(config),
        "" if _only_resampled(config) else _reference(config),
        _resampling(config),
        "Apart from that the EEG was left as recorded: it was neither filtered nor re-referenced."
        if _only_resampled(config)
        else "",
        _bad_spans(config),
    ]
    return (
        f"Preprocessing was done by PredANN-BIDS {__version__}, a BIDS App (Gorgolewski et al., 2017), with MNE-Python"
        " (Gramfort et al., 2013) on data in EEG-BIDS (Pernet et al., 2019), found with PyBIDS (Yarkoni et al., 2019). "
        + " ".join(sentence for sentence in sentences if sentence)
    )


def _line_noise(config: Preprocessing) -> str:
    if config.notch == "none":
        return ""
    frequency = (
        "the line frequency that the dataset states" if config.notch == "auto" else f"{config.notch:g} Hz (power line)"
    )
    way = (
        "ZapLine, which projects out the spatial components that carry it (de Cheveigné, 2020)"
        if config.line_noise == "zapline"
        else "zero-phase FIR notch filters"
    )
    return f"Noise at {frequency} and its harmonics was removed with {way}."


def _bad_channels(config: Preprocessing) -> str:
    if config.bad_channels == "none":
        return "Channels that were flat, or marked as bad in the dataset, were taken as bad."
    criteria = [
        f"amplitudes that deviate (robust z-score above {config.bad_channels_deviation:g})",
        f"high-frequency noise (robust z-score above {config.bad_channels_hf_noise:g})",
        f"low correlation with all other channels (below {config.bad_channels_correlation:g})",
        "dropouts",
    ]
    if config.bad_channels_ransac:
        criteria.append("failure to be predicted by other channels (RANSAC)")
    return (
        "Channels were taken as bad when they were flat or marked as bad in the dataset, and by the criteria of the"
        " PREP pipeline (Bigdely-Shamlo et al., 2015) as implemented in PyPREP (Appelhoff et al., 2022):"
        f" {listed(criteria)}."
    )


def _interpolation(config: Preprocessing) -> str:
    if config.interpolation == "none":
        return "Bad channels were not interpolated; they are marked as bad in the derivatives."
    return (
        "Bad channels were interpolated with spherical splines (Perrin et al., 1989) where the positions of the"
        " electrodes were known."
    )


def _components(config: Preprocessing) -> str:
    if config.ica == "none":
        return ""
    kinds = listed([KINDS[kind] for kind in config.ica_reject])
    return (
        "Independent components were found with extended infomax, computed by PICARD (Ablin et al., 2018), in a copy of"
        " the good channels from 1 to at most 100 Hz, and classified with ICLabel (Pion-Tonachini et al., 2019) as"
        f" implemented in MNE-ICALabel (Li et al., 2022). Components that ICLabel ascribed to {kinds} with a"
        f" probability of at least {config.ica_threshold:g} were removed."
    )


def _band(config: Preprocessing) -> str:
    if config.l_freq and config.h_freq:
        kind = f"band-pass filtered from {config.l_freq:g} to {config.h_freq:g} Hz"
    elif config.l_freq:
        kind = f"high-pass filtered at {config.l_freq:g} Hz"
    elif config.h_freq:
        kind = f"low-pass filtered at {config.h_freq:g} Hz"
    else:
        return ""
    return f"The EEG was {kind} (zero-phase FIR filter, Hamming window)."


def _reference(config: Preprocessing) -> str:
    if config.reference == "none":
        return "The reference of the recordings was kept."
    named = {
        "average": "to the average of all EEG channels",
        "mastoids": "to the mean of the mastoids",
        "rest": "to infinity with the reference electrode standardization technique (REST; Yao, 2001)",
    }
    names = [name.strip() for name in config.reference.split(",")]
    other = f"to {names[0]}" if len(names) == 1 else f"to the mean of {listed(names)}"
    return f"The EEG was re-referenced {named.get(config.reference, other)}."


def _resampling(config: Preprocessing) -> str:
    if config.resampling == "fourier":
        return (
            f"The EEG was resampled to {config.resample:g} Hz by the Fourier method: the spectrum of each whole"
            " recording was cut off at half of that rate."
        )
    return f"The EEG was resampled to {config.resample:g} Hz, band-limited below half of that rate."


def _only_resampled(config: Preprocessing) -> bool:
    left_out = (config.notch, config.reference, config.ica, config.interpolation)
    return set(left_out) == {"none"} and not (config.l_freq or config.h_freq)


def _bad_spans(config: Preprocessing) -> str:
    if config.bad_spans == "keep":
        return ""
    return (
        "Stretches that annotations call bad, and boundaries where recordings were cut, were excluded from all that"
        " followed."
    )
