"""What the report says about each model, and how it is drawn: one colour and one marker in all figures.

Colours are those of Okabe and Ito (2008), which people with any kind of colour vision can tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from predann_bids.report import words

PREDANN, BASELINE, OWN_MOMENT, BAND_POWER = "predann", "baseline", "own_moment", "band_power"
LINEAR = "linear"
CLOSED_FORM = ("linear", "linear_whitened", "ridge", "cca", "cca_teacher")


@dataclass(frozen=True)
class Mark:
    """How a line or a dot is named and drawn.

    Parameters
    ----------
    name : str
        Its name in a legend, a table or at the beginning of a sentence.
    colour : str
        Hexadecimal colour.
    marker : str
        Marker of matplotlib.
    """

    name: str
    colour: str = "#E69F00"
    marker: str = "v"


@dataclass(frozen=True, kw_only=True)
class ModelWords(Mark):
    """What the report says about a model.

    Parameters
    ----------
    inside : str
        Its name inside a sentence: 'its baseline'.
    methods : str
        What the methods text says about it, in sentences; empty if that is said elsewhere.
    learns_from : str
        What it may use in training that others may not, as the end of a sentence; empty if that is not worth telling.
    """

    inside: str
    methods: str = ""
    learns_from: str = ""


def model_words(model: str) -> ModelWords:
    """Return what the report says about a model, or raise `WrongUsage`."""
    return words.look_up("model", MODEL_WORDS, model)


def add_model_words(model: str, row: ModelWords) -> None:
    """Add what the report says about a model that another package brings."""
    words.add("model", MODEL_WORDS, model, row)


MODEL_WORDS: dict[str, ModelWords] = {
    PREDANN: ModelWords(
        name="PredANN",
        inside="PredANN",
        colour="#0072B2",
        marker="o",
        learns_from="the song's label, and the audio of the moment that was playing, which it learns to predict",
    ),
    BASELINE: ModelWords(
        name="Song label only",
        inside="the network trained on song labels only",
        colour="#D55E00",
        marker="s",
        methods="The baseline is a network of the same kind without the PredANN objective (weight 0), trained on the"
        " song label alone, with the song logits that the test uses.",
        learns_from="the song's label alone, whatever the moment",
    ),
    OWN_MOMENT: ModelWords(
        name="Own moment",
        inside="the network that knows the moment but not the PredANN objective",
        colour="#56B4E9",
        marker="h",
        methods="Between the two stands a network that is like PredANN in everything but the objective: its weight is"
        " 0, and the song logits, in training, count the moment that was playing.",
        learns_from="the song's label, and which moment was playing",
    ),
    "linear": ModelWords(
        name="Linear decoder",
        inside="the linear decoder",
        colour="#009E73",
        marker="D",
        methods="The linear reference is a backward temporal response function (Crosse et al., 2016), fitted with"
        " MNE-Python (Gramfort et al., 2013): ridge regression reconstructs the onset envelope and the spectral flux of"
        " the music from the EEG at lags from 0 to 0.4 s after it, at half the sampling rate of the EEG, with the ridge"
        " parameter that did best on the validation data. Its reconstruction is correlated with the"
        " features of every candidate, at the same moment to decide by match, and at all moments for its song logits.",
        learns_from="the onsets and the flux of the moment that was playing",
    ),
    "linear_whitened": ModelWords(
        name="Linear decoder, whitened EEG",
        inside="the linear decoder on whitened EEG",
        colour="#CC79A7",
        marker="^",
        methods="It was evaluated twice: on EEG that was only standardised, and on EEG that was whitened as for the"
        " network.",
        learns_from="the same, from whitened EEG",
    ),
    "ridge": ModelWords(
        name="Multiband ridge",
        inside="multiband ridge regression",
        colour="#B8860B",
        marker="X",
        methods="Multiband ridge regression reconstructs the level and the onsets of eight frequency bands as well, or"
        " the onset features alone, whichever told the moments of the validation data apart best; the shrinkage of the"
        " whitening and the ridge parameter were chosen in the same way.",
        learns_from="the level and the onsets, in eight bands, of the moment that was playing",
    ),
    "cca": ModelWords(
        name="CCA",
        inside="canonical correlation analysis",
        colour="#7F3C8D",
        marker="*",
        methods="Canonical correlation analysis (de Cheveigné et al., 2018) of lagged EEG with the same features at"
        " lags up to 0.13 s was regularised on both sides; shrinkage, regularisation and the number of components were"
        " chosen by how well they told the moments of the validation data apart.",
        learns_from="the same",
    ),
    "cca_teacher": ModelWords(
        name="CCA with the teacher",
        inside="canonical correlation analysis with the teacher's features",
        colour="#8C564B",
        marker="p",
        methods="It was also solved with the features of the teacher beside them, reduced as for the network.",
        learns_from="the same, and the teacher's features of that moment",
    ),
    # not among the models of metrics.json, but evaluated beside them and in the fingerprint control
    BAND_POWER: ModelWords(
        name="Band power alone",
        inside="the band-power classifier",
        colour="#444444",
        marker="P",
        methods="A linear discriminant that sees only the logarithmic power of each channel in frequency bands was"
        " trained and tested on the same split.",
    ),
}
