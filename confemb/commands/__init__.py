"""The commands of the command line, by topic; `confemb.cli` puts them together."""
