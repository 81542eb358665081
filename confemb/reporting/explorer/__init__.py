"""The explorer: one offline page in which a confusion can be clicked.

`records` says what the page shows, as plain arrays; `from_result` makes that of an analysed result, `items` chooses
the pictures, texts or ids that fit into a budget, `pack` lays all of it out as one block of bytes, `page` writes the
page. What runs in the browser is TypeScript in `src/`, bundled into `explorer.js` (`make explorer`).

Licences: a page carries pictures or texts only where whoever makes it asks for them (`--pictures`, `--texts`). Pages
that are committed to this repository carry pictures of CIFAR-10, whose authors publish them for research, but no
pictures of ImageNet, which may not be passed on, and no texts of people who can be known by them (20 Newsgroups): those
pages name ids only.

May import: everything from support to analysis.
Start reading at: `records`, then `pack`.
"""

from confemb.reporting.explorer.page import ExplorerPage, write_explorer
from confemb.reporting.explorer.records import Comparison, ExplorerData, ExplorerItems

__all__ = ["Comparison", "ExplorerData", "ExplorerItems", "ExplorerPage", "write_explorer"]
