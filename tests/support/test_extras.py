import sys

import pytest

from confemb.support.errors import ConfembError
from confemb.support.extras import import_extra


def test_a_library_that_is_there_is_returned():
    assert import_extra("json", "onnx", what="ONNX files").dumps([1]) == "[1]"


def test_a_missing_library_names_its_extra(monkeypatch):
    with pytest.raises(
        ConfembError, match=r"ONNX files need no_such_library, which .*: pip install 'confemb\[onnx\]'\."
    ):
        import_extra("no_such_library", "onnx", what="ONNX files")
    monkeypatch.setitem(sys.modules, "json", None)
    with pytest.raises(ConfembError, match="ONNX files need json"):
        import_extra("json", "onnx", what="ONNX files")


def test_a_library_whose_own_imports_fail_says_why(tmp_path, monkeypatch):
    (tmp_path / "broken_library.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfembError, match=r"broken_library, which is missing \(No module named 'no_such_library'\)"):
        import_extra("broken_library", "torch", what="PyTorch modules")


@pytest.mark.parametrize(
    ("library", "extra"), [("onnxruntime", "onnx"), ("torch", "torch"), ("torch", "hf"), ("transformers", "hf")]
)
def test_every_adapter_says_what_it_lacks(library, extra, monkeypatch):
    from confemb import HuggingFaceClassifier, OnnxClassifier, TorchClassifier

    if (library, extra) == ("transformers", "hf"):
        pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, library, None)
    adapter = {
        "onnx": lambda: OnnxClassifier("model.onnx", ["a"], logits=True),
        "torch": lambda: TorchClassifier(None, ["a"]),
        "hf": lambda: HuggingFaceClassifier.load("model"),
    }[extra]
    with pytest.raises(ConfembError, match=rf"need {library}, which is missing.*confemb\[{extra}\]"):
        adapter()
