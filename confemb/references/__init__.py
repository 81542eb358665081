"""References: similarities from elsewhere to compare a result with."""

from confemb.registry import Registry

REFERENCES = Registry("reference", "confemb.references", {"paper": "confemb.references.paper:paper_similarities"})
