"""A small Parquet file cannot take much memory."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import confemb
from confemb.records import parquet_bounds
from confemb.stats.counting import count_shards
from confemb.support.errors import ConfembError


def write(path, ids, rows_in_group=100, **metadata):
    table = pa.table({"id": ids, "label": ["a", "b"] * (len(ids) // 2), "top1": ["b", "a"] * (len(ids) // 2)})
    table = table.replace_schema_metadata(metadata)
    pq.write_table(table, path, compression="zstd", use_dictionary=False, row_group_size=rows_in_group)


@pytest.mark.parametrize("rows_in_group", [40, 1000])
def test_long_ids_are_refused_before_they_are_unpacked(tmp_path, monkeypatch, rows_in_group):
    path = tmp_path / "p.parquet"
    write(path, [f"{number}{'x' * 20_000}" for number in range(400)], rows_in_group, class_names='["a", "b"]')
    monkeypatch.setattr(parquet_bounds, "ALWAYS_ALLOWED", 2**22)
    before = pa.total_allocated_bytes()
    with pytest.raises(ConfembError, match=r"p\.parquet: it would take 8,0\d\d,\d\d\d bytes unpacked") as caught:
        confemb.load_predictions(path)
    assert "broken" not in str(caught.value)
    assert pa.total_allocated_bytes() - before < 2**20
    # Counting takes the ids for replicates only, and a row group at a time.
    assert count_shards([path]).total == 400


def test_ids_of_usual_files_are_allowed():
    assert parquet_bounds.allowed_bytes(57_000) == 2**28
    assert parquet_bounds.allowed_bytes(20_000_000) == 1_000_000_000
    assert parquet_bounds.allowed_bytes(2**40) == 4 * 2**30


def test_row_groups_make_no_difference(tmp_path):
    ids = [f"picture {number}" for number in range(100)]
    for name, rows in (("one", 1000), ("many", 7)):
        write(tmp_path / f"{name}.parquet", ids, rows)
    one, many = (confemb.load_predictions(tmp_path / f"{name}.parquet") for name in ("one", "many"))
    assert one.ids.tolist() == many.ids.tolist() == ids
    assert one.labels.tolist() == many.labels.tolist()
    assert one.class_names == many.class_names
