"""The commands of the command line, by topic; `confemb.cli.app` puts them together."""
