"""Apply a decoder to windows of EEG, and represent the songs that its predictions are compared with."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from predann_bids.data.source import AnySource
from predann_bids.data.windows import Windows
from predann_bids.learning.retrieval import Representations
from predann_bids.models.decoder import Decoder, OnProgress, silent


class Predictions(NamedTuple):
    """A decoder's predictions for n windows: song probabilities (n, songs) and representations."""

    probabilities: Any
    representations: Representations


@torch.no_grad()
def predict(
    decoder: Decoder,
    source: AnySource,
    windows: Windows,
    device: torch.device | str = "cpu",
    on_progress: OnProgress = silent,
) -> Predictions:
    """Predict representations and song probabilities from windows of EEG.

    Parameters
    ----------
    decoder : Decoder
        In eval mode, with all songs remembered.
    source : Source
        Where windows are cut from; their EEG is whitened as the decoder asks.
    windows : Windows
        The n windows.
    device : torch.device or str
        Where to compute.
    on_progress : callable
        Called after each batch of windows.

    Returns
    -------
    Predictions
        Softmax of the song logits; the representations predicted from the windows, and those of the songs.
    """
    device = torch.device(device)
    source = source.whitened(decoder.settings.shrinkage)
    decoder, source = decoder.to(device), source.on(device)
    size = decoder.at_once
    probabilities, representations = [], []
    for first in range(0, len(windows), size):
        eeg = source.eeg_of(windows[slice(first, first + size)]).to(device)
        logits, z = decoder.encode_eeg(eeg)
        probabilities.append(F.softmax(logits, dim=1).double().cpu().numpy())
        representations.append(z.cpu().numpy())
        on_progress(0, f"test window {min(first + size, len(windows))} of {len(windows)}")
    songs = tuple(song.numpy() for song in decoder.represent_songs(source.songs(), on_progress))
    of_windows = np.concatenate(representations)
    decoder.cpu()
    return Predictions(
        np.concatenate(probabilities),
        Representations(
            of_windows if of_windows.ndim == 3 else of_windows[:, :, None],  # an embedding counts as one frame
            songs,
            decoder.samples_per_frame,
            by_feature=decoder.by_feature,
            centred=decoder.centred,
            parts=decoder.parts,
        ),
    )
