"""Fields of current dipoles on the scalp, which is the unit sphere: smooth from electrode to electrode."""

from __future__ import annotations

import numpy as np

from predann_bids.arrays import Doubles


def dipole_field(electrodes: Doubles, position: Doubles, moment: Doubles) -> Doubles:
    r"""Return the potential (C,) of a current dipole at the electrodes (C, 3), one in root mean square.

    .. math:: V(r) \propto \frac{p \cdot (r - r_0)}{|r - r_0|^3}

    in an unbounded conductor. The skull would make it even smoother, which does not matter here.
    """
    offset = electrodes - position
    field: Doubles = (offset @ moment) / np.linalg.norm(offset, axis=1) ** 3
    scaled: Doubles = field / np.sqrt(np.mean(field**2))
    return scaled


def bilateral_field(electrodes: Doubles, position: Doubles, moment: Doubles) -> Doubles:
    """Return the field (C,) of a dipole and its mirror image in the other hemisphere, one in root mean square."""
    mirror = np.array([-1.0, 1.0, 1.0])
    field = dipole_field(electrodes, position, moment) + dipole_field(electrodes, mirror * position, mirror * moment)
    scaled: Doubles = field / np.sqrt(np.mean(field**2))
    return scaled


def random_field(electrodes: Doubles, rng: np.random.Generator) -> Doubles:
    """Draw the field (C,) of a dipole somewhere in the brain, in any direction."""
    direction = rng.standard_normal(3)
    radius = 0.75 * rng.random() ** (1 / 3)
    position = radius * direction / np.linalg.norm(direction)
    return dipole_field(electrodes, position, rng.standard_normal(3))
