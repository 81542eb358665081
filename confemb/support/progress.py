"""Progress on the terminal: a line for each stage, a bar for long work; silent where there is no terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from confemb.support.errors import shown

# Called with (what is being done, steps done, steps in all).
Progress = Callable[[str, int, int], None]
# Called with (steps done, steps in all), where only one thing is being done.
Steps = Callable[[int, int], None]


class Display:
    """Shows what is going on, on standard error, if that is a terminal."""

    def __init__(self, *, enabled: bool | None = None) -> None:
        """Show progress if `enabled`; by default if standard error is a terminal."""
        self.enabled = sys.stderr.isatty() if enabled is None else enabled

    def stage(self, text: str) -> None:
        """Print one line about what happens now."""
        if self.enabled:
            from rich.console import Console

            Console(stderr=True, highlight=False).print(shown(text), markup=False)

    @contextmanager
    def bar(self) -> Iterator[Progress]:
        """Yield a function that moves a progress bar; the bar goes away in the end."""
        if not self.enabled:
            yield lambda description, done, total: None
            return
        from rich import progress as rich_progress
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("  {task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        with rich_progress.Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("", total=None)

            def update(description: str, done: int, total: int) -> None:
                progress.update(task, description=shown(description), completed=done, total=total or None)

            yield update
