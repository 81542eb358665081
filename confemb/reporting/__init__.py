"""A result's tables, figures and HTML page; the same means serve the studies.

`write` writes a report folder from an `analysis.derived.Analysis`; `figures`, `result_tables`, `findings` and `html`
are its parts. `study` writes the folder of a study: sections of text, tables and figures. `style` sets colours and
letters once for all figures.

May import: everything from support to analysis.
Start reading at: `write`, then `study`.
"""
