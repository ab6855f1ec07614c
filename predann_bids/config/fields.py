"""What a field of the configuration says of itself: its option, whether it is new, whether decoders are bound to it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

# marks a field that was added after the first release; see `science_hash`; `option("--flag") | ADDED` is both
ADDED: JsonDict = {"added": True}
# marks a field that must be the same for the EEG that a decoder was trained on and for that which it is used on
BINDING: JsonDict = {"binding": True}


def option(flag: str, *, help: str = "", metavar: str = "", table: str = "") -> JsonDict:
    """Mark a field as an option of the command line.

    The field's type decides how it is typed: a tuple takes all words up to the next option, a bool is a switch that
    reverses the default, anything else takes one value.

    Parameters
    ----------
    flag : str
        Name of the option, such as `--delay`.
    help : str
        Help text where the field's description does not fit, as for a switch.
    metavar : str
        What stands for the value in help texts; by default the name of its type, or the choices.
    table : str
        Kind of thing that the value names, of which `report.words` has a table, where the field's type lists no names:
        'split', 'decoder'.

    Returns
    -------
    dict
        For the field's `json_schema_extra`.
    """
    given: JsonDict = {"flag": flag, "help": help, "metavar": metavar, "table": table}
    return {name: value for name, value in given.items() if value}


class Section(BaseModel):
    """Base of all sections: frozen, and strict about names."""

    # built on first use: `--help` needs no validator
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


def option_of(field: FieldInfo) -> JsonDict:
    """Return what `option` says of a field; empty for a field that only the configuration file can set."""
    extra = field.json_schema_extra
    return extra if isinstance(extra, dict) and "flag" in extra else {}


def is_added(field: FieldInfo) -> bool:
    """Return whether a field was added after the first release."""
    return isinstance(field.json_schema_extra, dict) and bool(field.json_schema_extra.get("added"))
