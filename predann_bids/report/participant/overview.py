"""What a reader should know first: all recordings at a glance, and what is out of the ordinary."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from predann_bids import __version__
from predann_bids.report.participant.drawn import table_html
from predann_bids.report.participant.recorded import Recorded
from predann_bids.report.text import share
from predann_bids.signals.onsets import OnsetResponse

FEW_BAD = 4  # are named in the overview
MANY_BAD, LITTLE_USABLE, LITTLE_MUSIC_S = 0.1, 0.75, 60.0
STRONG_LINE_DB, STRONG_LINE_SHARE = 6.0, 0.001
MANY_LARGE = 0.01
MANY_COMPONENTS = 1 / 3
CHANCE = 0.05
CHOSEN = ("no interpolation", "no reference")  # the first is said of the channels; the second was asked for


def overview_html(opened: Sequence[Recorded]) -> str:
    """All recordings of the participant in a table."""
    rows = [
        (
            escape(r.name),
            f"{r.music_s / 60:.1f}",
            f"{_usable_s(r) / 60:.1f}",
            str(len(r.presentations)),
            str(len({p.label for p in r.presentations})),
            str(len(r.after.ch_names)),
            escape(", ".join(r.bad) if len(r.bad) <= FEW_BAD else str(len(r.bad))) or "none",
            str(len(r.warnings)),
        )
        for r in opened
    ]
    header = ["Recording", "Music (min)", "Usable (min)", "Presentations", "Stimuli", "Channels"]
    table = table_html([*header, "Bad channels", "Warnings"], rows, numbers=(1, 2, 3, 4, 5, 7))
    return (
        f"{table}<p>Made by PredANN-BIDS {__version__}; <code>CITATION.md</code> holds the methods in words,"
        " <code>quality.html</code> all participants side by side.</p>"
    )


def _usable_s(recorded: Recorded) -> float:
    return sum(recorded.usable_s(p) for p in recorded.presentations)


def noteworthy_html(recorded: Recorded, response: OnsetResponse | None) -> str:
    """Sentences about what is out of the ordinary, and the warnings about presentations."""
    notes = noteworthy(recorded, response)
    if notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in notes)
        html = f'<div class="predann-box"><p>Out of the ordinary:</p><ul>{items}</ul></div>'
    else:
        html = "<p>Nothing is out of the ordinary.</p>"
    if not recorded.warnings:
        return f"{html}<p>No warnings about the presentations.</p>"
    items = "".join(f"<li>{escape(warning)}</li>" for warning in recorded.warnings)
    return f'{html}<p>Warnings about the presentations:</p><ul class="predann-warnings">{items}</ul>'


def noteworthy(recorded: Recorded, response: OnsetResponse | None = None) -> list[str]:
    """List what a reviewer would stop at, a sentence each."""
    return [*_about_music(recorded), *_about_channels(recorded), *_about_signal(recorded), *_about_response(response)]


def _length(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _about_music(recorded: Recorded) -> list[str]:
    music_s, usable_s = recorded.music_s, _usable_s(recorded)
    if not music_s:
        return []
    notes = []
    if usable_s < LITTLE_USABLE * music_s:
        notes.append(
            f"Only {share(usable_s / music_s)} of the music ({_length(music_s)}) is usable; the rest is marked bad."
        )
    elif usable_s < LITTLE_MUSIC_S:
        notes.append(f"There is little music: {usable_s:.0f} s.")
    lost = [p for p in recorded.presentations if recorded.usable_s(p) == 0]
    if lost:
        notes.append(f"{len(lost)} of {len(recorded.presentations)} presentations lie in bad spans altogether.")
    return notes


def _about_channels(recorded: Recorded) -> list[str]:
    notes, channels, bad = [], len(recorded.after.ch_names), len(recorded.bad)
    if bad > MANY_BAD * channels:
        notes.append(f"{bad} of {channels} channels ({share(bad / channels)}) are bad.")
    if bad and not recorded.interpolated:
        notes.append("Bad channels are not interpolated; they are marked as bad in the derivative.")
    step = recorded.step("ICA")
    removed, fitted = len(step.get("removed", ())), step.get("fitted_components") or 0
    if removed > MANY_COMPONENTS * fitted:
        notes.append(f"ICA removed {removed} of {fitted} components.")
    if step.get("converged") is False:
        notes.append("ICA did not converge: its components may not be independent.")
    left_out = [step for step in recorded.steps if step["Name"].startswith("no ") and step["Name"] not in CHOSEN]
    notes += [f"{step['Name'].capitalize()}: {step.get('reason', 'no reason is given')}." for step in left_out]
    return notes


def _about_signal(recorded: Recorded) -> list[str]:
    notes, quality = [], recorded.quality
    line_db, line_share = quality.get("line_after_db") or 0.0, quality.get("line_after_share") or 0.0
    if line_db > STRONG_LINE_DB and line_share > STRONG_LINE_SHARE:
        notes.append(f"Line noise is left: {line_db:.0f} dB above its neighbours, {share(line_share)} of variance.")
    large = quality.get("beyond_100uv_share") or 0
    if large > MANY_LARGE:
        drifts = (
            "" if recorded.step("band-pass").get("low_hz") else ", drifts included, as there was no high-pass filter"
        )
        notes.append(f"{share(large)} of the samples of good channels, in music, lie beyond ±100 µV{drifts}.")
    return notes


def _about_response(response: OnsetResponse | None) -> list[str]:
    if response is None or response.p <= CHANCE:
        return []
    return [
        f"The EEG does not respond to {response.count} onsets in the music beyond chance (p = {response.p:.2f}), which"
        " a single recording may not; if none of a dataset does, check the stimulus times."
    ]
