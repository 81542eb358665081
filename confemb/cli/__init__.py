"""The command line: parses, calls, prints.

`app` puts the commands together and turns errors into a sentence and an exit status; `commands` holds them by topic.

May import: every room.
Start reading at: `app`.
"""


def main() -> None:
    """Run the command line; what it needs is imported then."""
    from confemb.cli.app import main as run

    run()
