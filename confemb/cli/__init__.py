"""The command line: parses, calls, prints.

`app` puts the commands together and turns errors into a sentence and an exit status; `commands` holds them by topic.

May import: every room.
Start reading at: `app`.
"""


def main() -> None:
    """Run the command line as the process's only work, and end the process; what it needs is imported then.

    Exit status: 0; 2 for a user's mistake; 1 for a failure; 128 and the signal's number when it was told to stop.
    """
    from confemb.support.stopping import STATUS, STOPPED, Stopping, leave

    stopping = Stopping()
    status: object = 0
    try:
        # From here on a signal raises KeyboardInterrupt, wherever it comes.
        stopping.listen()
        stopping.insist()
        from confemb.cli.app import main as run

        run(stopping)
    except SystemExit as stop:
        status = stop.code
    except KeyboardInterrupt:
        # Before the command began, while its modules were imported.
        import os

        os.write(2, f"{STOPPED}\n".encode())
        status = stopping.status or STATUS[2]
    leave(status if isinstance(status, int) else int(status is not None))
