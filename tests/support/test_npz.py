"""NPZ files from outside: nothing is unpickled, and no size that a header claims is believed."""

import io
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from confemb.support import files
from confemb.support.errors import ConfembError
from confemb.support.npz import array_names, read_arrays, read_npy, read_record


def saved(**arrays):
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def of_members(*members, **options):
    """Return a ZIP of (name, bytes); the bytes of a .npy where it is one."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def npy(header: bytes, data: bytes = b"", *, version=(1, 0)):
    """Return a .npy file with a header of one's own."""
    header = header + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H", len(header)) + header + data


SMALL = {
    "a": np.arange(6).reshape(2, 3),
    "b": np.array(["x", "naïve 犬"]),
    "c": np.asfortranarray(np.eye(3, 2)),
    "d": np.array(7),
}


def test_arrays_come_back_as_numpy_reads_them():
    data = saved(**SMALL)
    with np.load(io.BytesIO(data)) as expected:
        found = read_arrays(data)
        assert list(found) == array_names(data) == expected.files
        for name, array in found.items():
            np.testing.assert_array_equal(array, expected[name])
            assert array.dtype == expected[name].dtype
            assert array.flags.writeable
    assert list(read_arrays(data, ["b", "x"])) == ["b"]


@given(
    st_numpy.arrays(
        st.one_of(
            st_numpy.boolean_dtypes(),
            st_numpy.integer_dtypes(),
            st_numpy.floating_dtypes(),
            st_numpy.unicode_string_dtypes(max_len=3),
        ),
        st_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
def test_any_numbers_and_texts_come_back(array):
    # Hypothesis makes texts of lone halves of a pair, too, which no file may hold.
    if array.dtype.kind == "U" and any("\ud800" <= c <= "\udfff" for text in array.reshape(-1) for c in text):
        with pytest.raises(ConfembError, match="text that is broken"):
            read_arrays(saved(x=array))
        return
    found = read_arrays(saved(x=array))["x"]
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    "array",
    [np.array([1, "a"], object), np.zeros(2, "c16"), np.zeros(2, "M8[s]"), np.array([b"a"]), np.zeros(2, "i4,f4")],
)
def test_anything_but_numbers_and_texts_is_refused(array):
    with pytest.raises(ConfembError, match="pickled objects, which are never read|neither numbers nor text"):
        read_arrays(saved(x=array), ["x"])


@pytest.mark.parametrize(
    "content",
    [
        npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846976,), }", bytes(16)),
        npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", bytes(16)),
        npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", bytes(16)),
        npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (-2,), }", bytes(16)),
        npy(b"{'descr': '<U0', 'fortran_order': False, 'shape': (1099511627776,), }"),
        npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (0, 1099511627776), }"),
        npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), ", bytes(16)),
        npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (2,)[" + b"[" * 300, bytes(16)),
        npy(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", bytes(16)),
        npy(b"", version=(9, 9)),
        npy(b"{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }", b"\xff\xff\xff\x00"),
        npy(b"{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }", b"\x00\xd8\x00\x00"),
        b"\x93NUMPY",
        b"no array",
        b"",
    ],
)
def test_a_member_that_is_no_array_as_claimed_is_refused(content):
    with pytest.raises(ConfembError):
        read_arrays(of_members(("x.npy", content)), ["x"])


def test_names_that_stand_twice_are_refused():
    sound = npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", bytes(16))
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = of_members(("x.npy", sound), ("x.npy", sound))
    with pytest.raises(ConfembError, match="more than once"):
        read_arrays(twice, ["x"])


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    monkeypatch.setattr(files, "MOST_UNPACKED", 1_000_000)
    bomb = saved(x=np.zeros(10_000_000, np.int8), small=np.arange(3))
    assert len(bomb) < 20_000
    with pytest.raises(ConfembError, match=r"10,000,128 bytes unpacked, more than the 1,000,000 allowed"):
        read_arrays(bomb, ["x"])
    # What is not asked for is not unpacked.
    np.testing.assert_array_equal(read_arrays(bomb, ["small"])["small"], [0, 1, 2])


def test_packings_and_passwords_that_cannot_be_read_are_refused():
    data = bytearray(saved(x=np.arange(3)))
    # The compression method in the local and in the central header.
    for place in (8, data.index(b"PK\x01\x02") + 10):
        data[place : place + 2] = struct.pack("<H", 99)
    with pytest.raises(ConfembError, match="broken or no NPZ file"):
        read_arrays(bytes(data), ["x"])
    data = bytearray(saved(x=np.arange(3)))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    data[6] |= 1
    with pytest.raises(ConfembError, match="broken or no NPZ file"):
        read_arrays(bytes(data), ["x"])


def test_a_record_names_what_is_missing_or_of_another_kind():
    data = saved(**SMALL)
    assert set(read_record(data, {"a": ("iu", 2), "zz?": ("f", 1)})) == {"a"}
    with pytest.raises(ConfembError, match="it lacks the array 'zz'"):
        read_record(data, {"a": ("iu", 2), "zz": ("f", 1)})
    with pytest.raises(ConfembError, match=r"its array 'a' cannot be int64 of shape \(2, 3\)"):
        read_record(data, {"a": ("iu", 1)})
    with pytest.raises(ConfembError, match="its array 'b' cannot be"):
        read_record(data, {"b": ("f", 1)})


def test_a_bare_array_is_read_and_nothing_else():
    out = io.BytesIO()
    np.save(out, SMALL["a"])
    np.testing.assert_array_equal(read_npy(out.getvalue()), SMALL["a"])
    lie = npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 576460752303423488), }", bytes(8))
    for wrong in (b"", b"PK", out.getvalue()[:-1], out.getvalue() + b"x", lie):
        with pytest.raises(ConfembError):
            read_npy(wrong)
