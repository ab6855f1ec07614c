"""Text for the methods section of a paper: from recordings to derivatives.

What the text says of a preprocessing step is its row of `STEP_WORDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from predann_bids import __version__
from predann_bids.config import Preprocessing
from predann_bids.report.methods.references import Work, add_works
from predann_bids.report.text import listed
from predann_bids.signals.preprocessing.interface import ordered_steps

KINDS = {"eye": "eyes", "muscle": "muscles", "heart": "the heart", "channel": "single channels"}


@dataclass(frozen=True)
class StepWords:
    """What the methods text says of a preprocessing step.

    Parameters
    ----------
    sentence : str or callable
        A sentence, or a function that makes one of a `Preprocessing`; empty where there is nothing to say.
    works : tuple of Work
        What the sentence cites, as `(Author, year)`.
    """

    sentence: str | Callable[[Preprocessing], str]
    works: tuple[Work, ...] = ()

    def say(self, config: Preprocessing) -> str:
        """Return the sentence for a configuration."""
        return self.sentence if isinstance(self.sentence, str) else self.sentence(config)


def add_step_words(name: str, words: StepWords) -> None:
    """Add the words of a step, by the name under which it is registered."""
    STEP_WORDS[name] = words
    add_works(*words.works)


def preprocessing_methods(config: Preprocessing) -> str:
    """Describe the participant level in words: what is configured, with its parameters, in the order it is done.

    Raises
    ------
    WrongUsage
        The configuration names an unknown step in `further`.
    """
    steps = [name for name in ordered_steps(config) if not (name == "reference" and _only_resampled(config))]
    sentences = [
        *(STEP_WORDS[name].say(config) if name in STEP_WORDS else f"The step '{name}' was applied." for name in steps),
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
    return set(left_out) == {"none"} and not (config.l_freq or config.h_freq or config.further)


def _bad_spans(config: Preprocessing) -> str:
    if config.bad_spans == "keep":
        return ""
    return (
        "Stretches that annotations call bad, and boundaries where recordings were cut, were excluded from all that"
        " followed."
    )


STEP_WORDS: dict[str, StepWords] = {
    "line_noise": StepWords(
        _line_noise,
        (
            Work(
                "de Cheveigné, 2020",
                "de Cheveigné, A. (2020). ZapLine: A simple and effective method to remove power line artifacts."
                " NeuroImage, 207, 116356.",
                "https://doi.org/10.1016/j.neuroimage.2019.116356",
            ),
        ),
    ),
    "bad_channels": StepWords(
        _bad_channels,
        (
            Work(
                "Bigdely-Shamlo et al., 2015",
                "Bigdely-Shamlo, N., Mullen, T., Kothe, C., Su, K.-M. and Robbins, K. A. (2015). The PREP pipeline:"
                " Standardized preprocessing for large-scale EEG analysis. Frontiers in Neuroinformatics, 9, 16.",
                "https://doi.org/10.3389/fninf.2015.00016",
            ),
            Work(
                "Appelhoff et al., 2022",
                "Appelhoff, S. et al. (2022). PyPREP: A Python implementation of the preprocessing pipeline (PREP) for"
                " EEG data. Zenodo.",
                "https://zenodo.org/badge/latestdoi/129240824",
            ),
        ),
    ),
    "ica": StepWords(
        _components,
        (
            Work(
                "Ablin et al., 2018",
                "Ablin, P., Cardoso, J.-F. and Gramfort, A. (2018). Faster independent component analysis by"
                " preconditioning with Hessian approximations. IEEE Transactions on Signal Processing, 66, 4040–4049.",
                "https://doi.org/10.1109/TSP.2018.2844203",
            ),
            Work(
                "Pion-Tonachini et al., 2019",
                "Pion-Tonachini, L., Kreutz-Delgado, K. and Makeig, S. (2019). ICLabel: An automated"
                " electroencephalographic independent component classifier, dataset, and website. NeuroImage,"
                " 198, 181–197.",
                "https://doi.org/10.1016/j.neuroimage.2019.05.026",
            ),
            Work(
                "Li et al., 2022",
                "Li, A., Feitelberg, J., Saini, A. P., Höchenberger, R. and Scheltienne, M. (2022). MNE-ICALabel:"
                " Automatically annotating ICA components with ICLabel in Python. Journal of Open Source Software, 7,"
                " 4484.",
                "https://doi.org/10.21105/joss.04484",
            ),
        ),
    ),
    "interpolation": StepWords(
        _interpolation,
        (
            Work(
                "Perrin et al., 1989",
                "Perrin, F., Pernier, J., Bertrand, O. and Echallier, J. F. (1989). Spherical splines for scalp"
                " potential and current density mapping. Electroencephalography and Clinical"
                " Neurophysiology, 72, 184–187.",
                "https://doi.org/10.1016/0013-4694(89)90180-6",
            ),
        ),
    ),
    "band_pass": StepWords(_band),
    "reference": StepWords(
        _reference,
        (
            Work(
                "Yao, 2001",
                "Yao, D. (2001). A method to standardize a reference of scalp EEG recordings to a point at infinity."
                " Physiological Measurement, 22, 693–711.",
                "https://doi.org/10.1088/0967-3334/22/4/305",
            ),
        ),
    ),
    "resampling": StepWords(_resampling),
}
for _words in STEP_WORDS.values():
    add_works(*_words.works)
