"""Draft a map if values of events, or labels of recordings, are named like audio files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from predann_bids.tools.stimuli.drafting.counting import DatasetEvents
from predann_bids.tools.stimuli.drafting.draft import LISTED, Draft
from predann_bids.tools.stimuli.drafting.from_recordings import LABELS, rules_for_recordings
from predann_bids.tools.stimuli.drafting.names import in_order, match_names
from predann_bids.tools.stimuli.wording import some


def draft_from_names(events: DatasetEvents, audio: Sequence[str]) -> Draft | None:
    """Draft a rule for each value or label that is named like an audio file; None if there is none."""
    matches = {entity: match_names(events.labels(entity), audio) for entity in LABELS}
    if not events.times_are_wrong:
        matches |= {column: match_names(events.counts(column), audio) for column in events.columns()}
    # the one that finds most files; if a recording's name and its events find as many, the events also say when
    best = max(matches, key=lambda name: (len(set(matches[name].values())), name not in LABELS))
    files = matches[best]
    if not files:
        return None
    values = events.labels(best) if best in LABELS else list(events.counts(best))
    others = sorted(set(values) - set(files), key=in_order)
    comments = [f"{len(files)} of {len(values)} values of '{best}' are named like audio files."]
    if others:
        comments += [f"These are not, and are assumed not to be music: {some(others, LISTED)}."]
    rules = [(value, files[value]) for value in sorted(files, key=in_order)]
    if best in LABELS:
        matched = replace(events, recordings=[one for one in events.recordings if one.entities[best] in files])
        return rules_for_recordings(matched, Draft(comments, (best, "audio"), rules))
    return Draft(comments, (best, "audio"), rules)
