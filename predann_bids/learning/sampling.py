"""Batches of windows: drawn at random for training, fixed for validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from torch.utils.data import IterableDataset

from predann_bids.data.source import AnySource, Batch
from predann_bids.data.trials import Stretch
from predann_bids.data.windows import Windows, count_side_by_side, draw, draw_single

KEPT_BYTES = 2**27  # of validation batches in each process that trains


class TrainingBatches(IterableDataset[Batch]):
    """Batches of windows at random positions, drawn anew for each epoch; a last incomplete batch is dropped.

    The draw depends only on seed, fold and epoch, so a resumed training sees the same windows.

    Parameters
    ----------
    source : Source
        Where windows are cut from.
    stretches : sequence of Stretch
        Training data.
    size : int
        Windows per batch.
    key : sequence of int
        Seed and fold.
    epoch : callable
        Returns the number of the current epoch.
    single : bool
        Whether to draw one window from each stretch per epoch, instead of as many as fit side by side.
    """

    def __init__(
        self,
        source: AnySource,
        stretches: Sequence[Stretch],
        size: int,
        key: Sequence[int],
        epoch: Callable[[], int],
        *,
        single: bool = False,
    ) -> None:
        self._source, self._stretches, self._size, self._key, self._epoch = source, stretches, size, key, epoch
        self._draw = draw_single if single else draw
        length = source.length
        n_windows = (
            sum(bool(s.clean_stretches(length)) for s in stretches) if single else count_side_by_side(stretches, length)
        )
        self._number = max(1, n_windows // size)

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng([*self._key, self._epoch()])
        cut = self._source.cutting(self._draw(self._stretches, self._source.length, rng))
        for number in range(len(self)):
            yield cut(slice(number * self._size, (number + 1) * self._size))


class ValidationBatches(IterableDataset[Batch]):
    """Batches of validation windows, shuffled once, so that each batch holds several songs.

    Parameters
    ----------
    source : Source
        Where windows are cut from.
    windows : Windows
        All validation windows.
    size : int
        Approximate number of windows per batch.
    key : sequence of int
        Seed and fold.
    """

    def __init__(self, source: AnySource, windows: Windows, size: int, key: Sequence[int]) -> None:
        order = np.random.default_rng(key).permutation(len(windows))
        parts = np.array_split(order, max(1, round(len(order) / size)))
        ends = np.cumsum([len(part) for part in parts]).tolist()
        self._batches = [slice(end - len(part), end) for part, end in zip(parts, ends, strict=True)]
        self._cut = source.cutting(windows[order])
        self._kept: dict[int, Batch] = {}
        self._room = KEPT_BYTES

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        return map(self._batch, range(len(self)))

    def _batch(self, number: int) -> Batch:
        """Cut a batch, and keep it if there is room: it is the same in each epoch."""
        if number in self._kept:
            return self._kept[number]
        batch = self._cut(self._batches[number])
        if batch.n_bytes <= self._room:
            self._room -= batch.n_bytes
            self._kept[number] = batch
        return batch
