"""pybids filters as people write them in JSON, in fMRIPrep's convention."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from predann_bids.errors import MissingInput, WrongUsage

# what pybids can find in the names of files; the indexing of metadata, which takes minutes, is left out
ENTITIES = (
    "subject session sample task tracksys acquisition ceagent staining tracer reconstruction direction run proc"
    " modality echo flip inv mt part recording space split description suffix scans extension datatype fmap"
).split()
SHORT = {"sub": "subject", "ses": "session", "acq": "acquisition", "participant": "subject", "desc": "description"}
QUERIES = {"Query.NONE": "NONE", "Query.ANY": "ANY", "Query.REQUIRED": "ANY", "Query.OPTIONAL": "OPTIONAL", "*": "ANY"}


def read_filter_file(path: Path) -> dict[str, Any]:
    """Read pybids filters as JSON in fMRIPrep's convention, ``{"eeg": {"task": "music"}}``.

    A value may be a list. ``null`` or ``"Query.NONE"`` asks for files without the entity, ``"*"`` or ``"Query.ANY"``
    for files with it, whatever its label; ``"regex_search": true`` makes the values regular expressions.

    Raises
    ------
    MissingInput
        The file does not exist.
    WrongUsage
        It is no JSON, has no filters for EEG, or names an entity that there is not.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise MissingInput(f"The filter file {path} does not exist.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise WrongUsage(f"The filter file {path} is not valid JSON: {error}.") from error
    filters = content.get("eeg") if isinstance(content, dict) else None
    if not isinstance(filters, dict):
        raise WrongUsage(
            f'The filter file {path} must hold an object with the key "eeg", e.g. {{"eeg": {{"task": "music"}}}}.'
        )
    for entity, value in filters.items():
        _check_filter(path, entity, value)
    if filters.get("regex_search"):
        _check_expressions(path, filters)
    return filters


def _check_expressions(path: Path, filters: dict[str, Any]) -> None:
    for entity, value in filters.items():
        for expression in value if isinstance(value, list) else [value]:
            try:
                re.compile(str(expression))
            except re.error as error:
                if expression not in QUERIES:
                    raise WrongUsage(
                        f"The filter file {path} asks for {entity} = {expression!r}, which is no regular expression:"
                        f" {error}."
                    ) from error


def _check_filter(path: Path, entity: str, value: Any) -> None:
    if entity == "regex_search":
        if not isinstance(value, bool):
            raise WrongUsage(f"The filter file {path} sets regex_search to {value!r}; expected true or false.")
        return
    if entity not in ENTITIES:
        near = [SHORT[entity]] if entity in SHORT else get_close_matches(entity, ENTITIES, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(ENTITIES)}."
        raise WrongUsage(f"The filter file {path} names '{entity}', which is no entity that pybids knows; {hint}")
    values = value if isinstance(value, list) else [value]
    wrong = [v for v in values if not isinstance(v, str | int | None) or isinstance(v, bool)]
    if wrong:
        raise WrongUsage(
            f"The filter file {path} asks for {entity} = {wrong[0]!r}; expected text, a whole number, null, or a list."
        )


def to_query(filters: dict[str, Any]) -> dict[str, Any]:
    """Turn what a filter file says into arguments of pybids' `BIDSLayout.get`."""
    from bids.layout import Query

    def one(value: Any) -> Any:
        if value is None:
            return Query.NONE
        return Query[QUERIES[value]] if isinstance(value, str) and value in QUERIES else value

    return {
        entity: [one(v) for v in value] if isinstance(value, list) else one(value) for entity, value in filters.items()
    }
