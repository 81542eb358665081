"""The committed bundle is what its sources give."""

import shutil
import subprocess
from pathlib import Path

import pytest

import confemb.reporting.explorer

FOLDER = Path(confemb.reporting.explorer.__file__).parent
TOOLS = FOLDER / "node_modules" / ".bin"


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not here: the committed bundle serves")
@pytest.mark.skipif(not (TOOLS / "esbuild").is_file(), reason="esbuild is not here: make explorer installs it")
def test_the_bundle_is_built_from_its_sources(tmp_path):
    before = (FOLDER / "explorer.js").read_bytes()
    shutil.copytree(FOLDER / "src", tmp_path / "src")
    shutil.copy(FOLDER / "package.json", tmp_path)
    (tmp_path / "node_modules").symlink_to(FOLDER / "node_modules")
    subprocess.run(["npm", "run", "--silent", "build"], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "explorer.js").read_bytes() == before
