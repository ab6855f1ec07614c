"""REVE (El Ouahidi et al. 2025, https://openreview.net/forum?id=ZeFMtRBy4Z)."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from predann_bids.errors import MissingInput, UnusableData
from predann_bids.files import read_json
from predann_bids.models.foundation.interface import FOUNDATION, FoundationModel, Patches, braindecode
from predann_bids.models.foundation.montage import Heard, hear_known, standard_places
from predann_bids.signals.montage import Place

PATCH, OVERLAP = 200, 20  # samples
CLIP = 15.0  # standard deviations
BANK = "reve_positions.json"  # positions that the model was trained with, by names of electrodes
FOLDER = "REVE_POSITIONS_PATH"  # environment variable by which braindecode is told where the bank is


@FOUNDATION.add("reve")
class Reve(FoundationModel):
    """A transformer over patches of one second of all channels, which it knows by their place on the head."""

    title = "REVE"
    sizes = tuple("embed_dim depth heads head_dim mlp_dim_ratio use_geglu freqs".split())
    heads = ("final_layer", "cls_query_token")

    def hear(  # noqa: D102
        self, channels: Sequence[str], positions: Mapping[str, Place], weights: Path | None
    ) -> Heard:
        bank = _bank(weights) if weights else dict(standard_places())
        heard = hear_known(self.title, tuple(bank), channels, positions)
        places = {name.upper(): place for name, place in bank.items()}
        return replace(heard, places=tuple(places[name.upper()] for name in heard.names))

    def patches(self, samples: int, sizes: Mapping[str, Any]) -> Patches:  # noqa: ARG002, D102
        return Patches.covering(samples, PATCH, PATCH - OVERLAP)

    def build(self, channels: int, patches: Patches, sizes: Mapping[str, Any]) -> nn.Module:  # noqa: D102
        with _without_download():
            network: nn.Module = braindecode().REVE(
                n_times=patches.samples,
                n_chans=channels,
                n_outputs=1,
                sfreq=self.rate_hz,
                patch_size=PATCH,
                patch_overlap=OVERLAP,
                **sizes,
            )
        network.final_layer = network._position_bank = nn.Identity()
        return network

    def width(self, network: Any) -> int:  # noqa: D102
        return int(network.embed_dim)

    def scaled(self, eeg: Tensor) -> Tensor:  # noqa: D102
        return eeg.clamp(-CLIP, CLIP)

    def tokens(self, network: Any, eeg: Tensor, names: Sequence[str], places: Tensor) -> Tensor:  # noqa: ARG002, D102
        placed = places.expand(len(eeg), -1, -1)
        tokens: Tensor = network(eeg, pos=placed, return_features=True)["features"]
        return tokens


def _bank(weights: Path) -> dict[str, Place]:
    """Read the positions that the model was trained with; other coordinates would say nothing to it."""
    folders = [weights.parent, *(Path(folder) for folder in [os.environ.get(FOLDER)] if folder)]
    file = next((folder / BANK for folder in folders if (folder / BANK).is_file()), None)
    if file is None:
        raise MissingInput(
            f"REVE with the weights {weights} needs the electrode positions that it was trained with. Put them beside"
            f" the weights as {BANK}, or into a folder that the environment variable {FOLDER} names."
        )
    try:
        return {str(name): (float(x), float(y), float(z)) for name, (x, y, z) in read_json(file).items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise UnusableData(f"{file} must hold three coordinates for the name of each electrode.") from error


@contextmanager
def _without_download() -> Iterator[None]:
    """Let braindecode find a bank of positions, which it would download; tokens are computed from those given."""
    before = os.environ.get(FOLDER)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, BANK).write_text(json.dumps({"CZ": [0.0, 0.0, 0.0]}), encoding="utf-8")
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[FOLDER]
            else:
                os.environ[FOLDER] = before
