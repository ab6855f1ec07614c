"""What HTML pages made from templates share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from predann_bids.report import text

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

OPTION = re.compile(r"(--[a-z-]+ [a-z]+)")  # with its value, as in a sentence


def template(name: str) -> Template:
    """Open a template of this package: everything is escaped, and an undefined name is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("predann_bids.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["units"] = text.keep_units
    environment.filters["options"] = _options_as_code
    return environment.get_template(name)


def _options_as_code(words: str) -> Markup:
    from markupsafe import Markup, escape

    return Markup(OPTION.sub(r"<code>\1</code>", str(escape(words))))
