"""The configuration: everything that changes results (science), as opposed to how the work is done (execution).

Science is a tree of frozen sections. Only science goes into hashes, so a run with more processes or another output
directory finds its finished work again. Values come from the preset, the TOML file and the command line; later ones
win. A field is the only place where a key is described: `option` makes it an option of the command line, and `--help`,
`boutiques.json` and `docs/options.md` are made from its description.
"""

from predann_bids.config.decoding import Evaluation, Splitting, Training, Windowing
from predann_bids.config.fields import ADDED, BINDING, Section, option, option_of
from predann_bids.config.preprocessing import Preprocessing
from predann_bids.config.presets import PRESETS, PUBLISHED
from predann_bids.config.resolving import dump, read_selection, resolve
from predann_bids.config.science import Preset, Science, hashed, keys, science_hash, sections

__all__ = [
    "ADDED",
    "BINDING",
    "PRESETS",
    "PUBLISHED",
    "Evaluation",
    "Preprocessing",
    "Preset",
    "Science",
    "Section",
    "Splitting",
    "Training",
    "Windowing",
    "dump",
    "hashed",
    "keys",
    "option",
    "option_of",
    "read_selection",
    "resolve",
    "science_hash",
    "sections",
]
