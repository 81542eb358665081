"""Readers of what confemb score opens: tables, arrays, recordings, maps, prompts, parts; of tracks and references."""

import io
import json
import wave
from pathlib import Path

import numpy as np

from tests.torture.readers.reader import Reader, npz, packed, saved


def scoring_readers(scratch: Path) -> list[Reader]:
    from confemb.classifiers.class_matching import load_map
    from confemb.classifiers.data.decoding import decode
    from confemb.classifiers.models.clip_models import _refuse_pickled
    from confemb.classifiers.models.picture_input import PictureShape, picture_preparation
    from confemb.classifiers.models.prompts import load_prompts
    from confemb.networks.preprocessing import Preprocessing
    from confemb.references import open_reference
    from confemb.studies.tracking import Tracker

    map_csv, map_json = b"label,class\ncat,feline\ndog,\n", b'{"cat": "feline", "dog": null}'
    prompts_csv = b"class,prompt\ncat,a cat\ndog,a dog\n"
    prompts_json = b'{"cat": "a cat", "dog": ["a dog", "dogs"]}'
    preprocessing = json.dumps(Preprocessing(8, 8).as_dict()).encode()
    shape = PictureShape(8, 3, "channels last")
    square, long = b",a,b,c\na,0,1,2\nb,1,0,3\nc,2,3,0\n", b"x,y,d\na,b,1\na,c,2\nb,c,3\n"
    groups = b'one = ["a", "b"]\ntwo = ["c"]\n'
    tracker = Tracker(["a", "b", "c"])
    for epoch in range(2):
        tracker.update([0, 1, 2, 0], np.eye(3)[[0, 1, 2, epoch]])
        tracker.end_epoch()

    def prompts(path: Path) -> object:
        return load_prompts(str(path), ["cat", "dog"], default="{}")

    return [
        *_tables(scratch),
        Reader("score: items, NPZ", "i.npz", _arrays(), _all_items),
        Reader("score: recording, WAV", "r.wav", (_wav(1), _wav(2)), lambda path: decode(path, "audio", where="r.wav")),
        Reader("score: text", "t.txt", (b"caf\xc3\xa9\n",), lambda path: decode(path, "text", where="t.txt")),
        Reader("score: map, CSV", "m.csv", (map_csv,), load_map),
        Reader("score: map, JSON", "m.json", (map_json,), load_map),
        Reader("score: prompts, CSV", "p.csv", (prompts_csv,), prompts),
        Reader("score: prompts, JSON", "p.json", (prompts_json,), prompts),
        Reader("score: templates", "p.txt", (b"a {}\none {}.\n",), prompts),
        Reader(
            "score: preprocessing, JSON",
            "p.json",
            (preprocessing,),
            lambda path: picture_preparation(str(path), shape, np.float32, where="a model"),
        ),
        Reader(
            "score: open_clip's description",
            "m/open_clip_config.json",
            (b'{"model_cfg": {}}',),
            lambda path: _refuse_pickled(path.parent),
            {"m/w.safetensors": b""},
        ),
        *_parts(scratch),
        Reader("track", "t.npz", (saved(scratch, "t.npz", tracker.save),), Tracker.load),
        Reader("reference, distances", "d.csv", (square, long), lambda path: open_reference(f"distances:{path}")),
        Reader("reference, groups", "g.toml", (groups,), lambda path: open_reference(f"groups:{path}")),
    ]


def _all_items(path: Path) -> object:
    from confemb.classifiers.data.data_names import open_data

    data = open_data(str(path))
    return list(data.stream(0))


def _tables(scratch: Path) -> list[Reader]:
    import pandas as pd

    frame = pd.DataFrame({"text": ["a b", "c, d", 'e "f"'], "label": ["x", "y", "x"], "split": ["s", "t", "t"]})
    numbers = frame.assign(text=[1.5, 2, 3]).rename(columns={"text": "a"}).assign(b=[1, 2, 3])
    parquet = saved(scratch, "t.parquet", lambda path: frame.to_parquet(path))
    lines = "".join(json.dumps(row) + "\n" for row in frame.to_dict("records")).encode()
    csv = [one.to_csv(index=False).encode() for one in (frame, numbers)]
    return [
        Reader("score: table, CSV", "t.csv", tuple(csv), _all_items),
        Reader("score: table, JSONL", "t.jsonl", (lines,), _all_items),
        Reader("score: table, Parquet", "t.parquet", (parquet,), _all_items),
    ]


def _arrays() -> tuple[bytes, ...]:
    pixels = np.arange(2 * 3 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3, 3)
    return (
        npz(images=pixels, labels=np.array([0, 1]), class_names=np.array(["a", "b"]), splits=np.array(["s", "t"])),
        packed(texts=np.array(["u", "v"]), labels=np.array(["a", "b"]), ids=np.array(["1", "2"])),
    )


def _wav(width: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(width)
        file.setframerate(8000)
        file.writeframes(bytes(range(40)))
    return out.getvalue()


def _parts(scratch: Path) -> list[Reader]:
    from confemb.classifiers.score_parts import KEY, Part, PartStore

    key = {"model": {"name": "m"}, "top": 2}
    store = PartStore(scratch / "parts", key)
    columns = (np.zeros(2, np.int32), np.tile(np.arange(2, dtype=np.int32), (2, 1)), np.full((2, 2), 0.5, np.float32))
    texts = np.array(["a", "b"], dtype=object)
    store.add(Part(0, *columns, texts, texts, np.array(True)))
    files = {path.name: path.read_bytes() for path in (scratch / "parts").iterdir()}
    part = next(name for name in files if name != KEY)

    def read(path: Path) -> object:
        return list(PartStore(path.parent, key).parts())

    return [
        Reader("score: parts' key", f"p/{KEY}", (files[KEY],), read, {f"p/{part}": files[part]}),
        Reader("score: part", f"p/{part}", (files[part],), read, {f"p/{KEY}": files[KEY]}),
    ]
