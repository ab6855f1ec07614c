"""Where electrodes are: measured positions, corrected, and those of a template where there are none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.signals.preprocessing import spatial
from predann_bids.signals.preprocessing.state import Step

if TYPE_CHECKING:
    from mne.channels import DigMontage
    from mne.io import BaseRaw

Places = dict[str, Doubles]

# distance of electrodes from the centre of the head, from infants to large adults with a thick cap
PLAUSIBLE_RADIUS_M = (0.055, 0.14)
USUAL_RADIUS_M = 0.095
# share of the channels whose names a template must know to be taken
KNOWN_SHARE = 0.9
FEWEST_MEASURED = 4
FEWEST_TO_COMPARE = 8
# how far apart, in degrees as seen from the head's centre, caps of the same names are when axes are mistaken or right
MISTAKEN_DEGREES, RIGHT_DEGREES = 45.0, 25.0
SAME_PLACE = 0.01  # share of the head's radius

REFERENCES = "REF|LE|AVG?|AR|CAR|A1|A2|M1|M2|A1A2|LINKED"


def has_positions(raw: BaseRaw) -> bool:
    """Whether every channel has a position on the head."""
    return spatial.has_positions(raw.info)


def without_position(raw: BaseRaw) -> list[str]:
    """List the EEG channels that have no position."""
    return [name for name, place in _places(raw).items() if not _is_place(place)]


def place_electrodes(raw: BaseRaw) -> Sequence[Step]:
    """Correct the positions of EEG electrodes, and take those of a template where they are not known.

    - Positions at the origin, or two at the same place, are not positions.
    - Where the electrodes' distance from the head's centre fits no head, the unit was wrong: positions are rescaled, by
      a power of ten if that gives a plausible head.
    - Where electrodes lie a quarter or half a turn from where their names belong, axes were mistaken: they are turned.
    - Positions that are missing come from the template that knows the names best, fitted to the measured ones.

    Channels without a position afterwards have NaN, and a step names them.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        Its positions are changed in place.

    Returns
    -------
    sequence of Step
        What was done; empty where all positions were known and sound.
    """
    given = _places(raw)
    measured, steps = _sound(given)
    template = find_template(list(given))
    if len(measured) >= max(FEWEST_MEASURED, len(given) / 2):
        measured, more = _corrected(measured, template)
        steps += more
        missing = [name for name in given if name not in measured]
        if template and any(name in template.places for name in missing):
            filled = _fitted(template.places, measured)
            added = {name: filled[name] for name in missing if name in filled}
            measured |= added
            steps.append(Step("positions completed", {"montage": template.montage, "channels": list(added)}))
    elif template:
        measured = dict(template.places)
        steps.append(Step("template positions", {"montage": template.montage}))
    missing = [name for name in given if name not in measured]
    if steps or missing:
        _set(raw, measured)
    if missing and (measured or any(_is_place(place) for place in given.values())):
        reason = "neither the dataset nor a template montage knows where they are"
        steps.append(Step("positions missing", {"channels": missing, "reason": reason}))
    return steps


def _places(raw: BaseRaw) -> Places:
    kinds = zip(raw.info["chs"], raw.get_channel_types(), strict=True)
    return {channel["ch_name"]: np.array(channel["loc"][:3], dtype=float) for channel, kind in kinds if kind == "eeg"}


def _is_place(place: Doubles) -> bool:
    return bool(np.isfinite(place).all() and np.abs(place).sum() > 0)


def _set(raw: BaseRaw, places: Mapping[str, Doubles]) -> None:
    from mne.channels import make_dig_montage

    # channels that are not among them get NaN
    raw.set_montage(make_dig_montage(dict(places), coord_frame="head"), on_missing="ignore", verbose="error")


# -- measured positions ------------------------------------------------------------------------------------------------


def _sound(given: Mapping[str, Doubles]) -> tuple[Places, list[Step]]:
    """Drop what cannot be a position."""
    places = {name: place for name, place in given.items() if _is_place(place)}
    if len(places) < 2:
        return places, []
    points = np.array(list(places.values()))
    distances = np.linalg.norm(points[:, np.newaxis] - points, axis=-1)
    np.fill_diagonal(distances, np.inf)
    extent = np.median(np.linalg.norm(points - points.mean(axis=0), axis=1))
    crowded = distances.min(axis=1) <= SAME_PLACE * extent
    shared = [name for name, same in zip(places, crowded, strict=True) if same]
    kept = {name: place for name, place in places.items() if name not in shared}
    reason = "several electrodes were said to be at one place"
    return kept, [Step("positions dropped", {"channels": shared, "reason": reason})] if shared else []


def _corrected(places: Places, template: Template | None) -> tuple[Places, list[Step]]:
    names, points = list(places), np.array(list(places.values()))
    steps: list[Step] = []
    centre = spatial.sphere_origin(points)
    radius = float(np.median(np.linalg.norm(points - centre, axis=1)))
    factor, reason = _rescaling(radius)
    if factor != 1:
        points, centre = points * factor, centre * factor
        steps.append(Step("positions rescaled", {"factor": factor, "reason": reason}))
    turn = _turn(dict(zip(names, points - centre, strict=True)), template)
    if turn is not None:
        points = points @ turn.T
        reason = "the electrodes did not lie where their names belong: axes were mistaken"
        steps.append(Step("positions turned", {"x": _axis(turn[0]), "y": _axis(turn[1]), "reason": reason}))
    return dict(zip(names, points, strict=True)), steps


def _rescaling(radius: float) -> tuple[float, str]:
    low, high = PLAUSIBLE_RADIUS_M
    found = f"the electrodes were {radius * 1e3:.3g} mm from the centre of the head"
    if low <= radius <= high:
        return 1.0, ""
    power = round(np.log10(USUAL_RADIUS_M / radius))
    if low <= radius * 10.0**power <= high:
        return 10.0**power, f"{found}, so their unit was not the one given"
    return USUAL_RADIUS_M / radius, f"{found}, which no unit makes a head of usual size; only directions were kept"


def _turn(places: Mapping[str, Doubles], template: Template | None) -> Doubles | None:
    """Find the turn that brings electrodes to where their names belong; None if they are there, or no turn helps."""
    names = [name for name in places if template and name in template.places]
    if template is None or len(names) < FEWEST_TO_COMPARE:
        return None
    expected = np.array([template.places[name] for name in names])
    expected = _directions(expected - spatial.sphere_origin(np.array(list(template.places.values()))))
    found = _directions(np.array([places[name] for name in names]))

    def degrees_off(turn: Doubles) -> float:
        cosines = np.clip((found @ turn.T * expected).sum(axis=1), -1, 1)
        return float(np.degrees(np.arccos(cosines)).mean())

    if degrees_off(np.eye(3)) < MISTAKEN_DEGREES:
        return None
    best = min(_exchanges(), key=degrees_off)
    return best if degrees_off(best) < RIGHT_DEGREES else None


def _exchanges() -> Iterator[Doubles]:
    """Yield all ways to confuse the two horizontal axes, or their signs."""
    for order, signs in product(([0, 1], [1, 0]), product((1.0, -1.0), repeat=2)):
        turn = np.eye(3)
        turn[:2, :2] = np.diag(signs) @ np.eye(2)[order]
        yield turn


def _directions(points: Doubles) -> Doubles:
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


def _axis(row: Doubles) -> str:
    place = int(np.abs(row).argmax())
    return f"{'-' if row[place] < 0 else ''}{'xyz'[place]}"


def _fitted(template: Places, measured: Places) -> Places:
    """Move, turn and scale a template so that it lies best on measured positions (Umeyama 1991)."""
    shared = [name for name in measured if name in template]
    if len(shared) < FEWEST_MEASURED:
        return template
    source, target = (np.array([places[name] for name in shared]) for places in (template, measured))
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    left, values, right = np.linalg.svd((target - target_mean).T @ (source - source_mean))
    mirror = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    turn = left @ np.diag(mirror) @ right
    scale = (values * mirror).sum() / ((source - source_mean) ** 2).sum()
    return {name: scale * turn @ (place - source_mean) + target_mean for name, place in template.items()}


# -- templates ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Template:
    """Places of channels in a standard montage of MNE, in head coordinates and metres."""

    montage: str
    places: Places


def find_template(names: Sequence[str]) -> Template | None:
    """Find the standard montage that knows the most channel names, if it knows enough of them.

    Known are the names of the 10-05 system, old (T3) and new (T7), in any case, with what programs put around them
    (`EEG Fp1-REF`); BioSemi's A1 to H32; and E1 to E257 of EGI's HydroCel nets. Numbers alone do not identify a cap.
    """
    if not names:
        return None
    plain = _plain_names(names)
    best: tuple[str, dict[str, str]] = ("", {})
    for montage, labels in (_ten_five(plain), _biosemi(plain), _geodesic(plain)):
        if len(labels) > len(best[1]):
            best = montage, labels
    montage, labels = best
    if len(labels) < KNOWN_SHARE * len(names):
        return None
    known = _head_places(montage)
    places: Places = {}
    for name, label in labels.items():
        # T3 and T7, or the same name twice: the second would lie upon the first
        if not any(np.allclose(known[label], place) for place in places.values()):
            places[name] = known[label]
    return Template(montage, places)


def _plain_names(names: Sequence[str]) -> dict[str, str]:
    """Reduce names to electrodes: without `EEG`, the reference, dots and spaces; in upper case."""
    plain = {name: re.sub(r"^EEG[ _]*(?=\S)", "", name.strip().upper()) for name in names}
    endings = {re.sub(r"^[^-]*", "", text) for text in plain.values()}
    # what comes after a hyphen is the reference, if it is the same for all; else the pair of a bipolar recording
    reference = re.escape(endings.pop()) if len(endings) == 1 else rf"[ _-]({REFERENCES})"
    return {name: re.sub(rf"{reference}$|[ .]", "", text) for name, text in plain.items()}


def _ten_five(plain: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    montage = "colin27_1005"
    known = {label.upper(): label for label in _standard(montage).ch_names}
    return montage, {name: known[text] for name, text in plain.items() if text in known}


def _biosemi(plain: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    found = {name: re.fullmatch(r"([A-H])(\d{1,2})", text) for name, text in plain.items()}
    numbers = {name: (match[1], int(match[2])) for name, match in found.items() if match and 1 <= int(match[2]) <= 32}
    if not numbers:
        return "", {}
    boxes = "ABCDEFGH".index(max(box for box, _ in numbers.values())) + 1
    montage = f"biosemi{next(size for size in (32, 64, 128, 160, 256) if size >= 32 * boxes)}"
    labels = _standard(montage).ch_names  # in the order of the cap's plugs, also where they are named after places
    return montage, {name: labels[32 * "ABCDEFGH".index(box) + n - 1] for name, (box, n) in numbers.items()}


def _geodesic(plain: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Identify a HydroCel net by its highest number; the last is the vertex, which is the reference while recording."""
    bare = any(re.fullmatch(r"E?VREF", text) for text in plain.values())  # then numbers alone are those of a net
    found = {name: re.fullmatch(r"E(\d{1,3})" if not bare else r"E?(\d{1,3})", text) for name, text in plain.items()}
    numbers = {name: int(match[1]) for name, match in found.items() if match}
    nets = {33: "GSN-HydroCel-32", 65: "GSN-HydroCel-65_1.0", 129: "GSN-HydroCel-129", 257: "GSN-HydroCel-257"}
    size = next((size for size in nets if max(numbers.values(), default=999) <= size), None)
    if size is None:
        return "", {}
    vertex = {name: "Cz" for name, text in plain.items() if text in ("CZ", "VREF", "EVREF", f"E{size}")}
    labels = {name: "Cz" if number == size else f"E{number}" for name, number in numbers.items() if number}
    return nets[size], labels | vertex


def _standard(montage: str) -> DigMontage:
    from mne.channels import make_standard_montage

    return make_standard_montage(montage)


def _head_places(montage: str) -> Places:
    from mne.channels.montage import transform_to_head

    places: Places = transform_to_head(_standard(montage)).get_positions()["ch_pos"]
    return places
