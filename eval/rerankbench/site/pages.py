"""From templates to pages: what all of them share."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from rerankbench.report.html import environment
from rerankbench.site.folder import Writer
from rerankbench.site.scripts import as_script

TEMPLATES = Path(__file__).with_name("templates")


def write_page(writer: Writer, path: str, template: str, **shown: Any) -> None:
    """Render a template to a page of the site.

    The template gets `to`, which makes a link to another page, and `data`, which makes JSON that may stand in a script element.
    """
    from markupsafe import Markup

    root = "../" * path.count("/")

    def to(page: str) -> str:
        return root + quote(page)

    def data(value: Any) -> Markup:
        return Markup(as_script(value))  # noqa: S704 escaped for this place

    text = environment(TEMPLATES).get_template(template).render(root=root, path=path, to=to, data=data, **shown)
    writer.write(path, text)
