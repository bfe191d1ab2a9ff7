from __future__ import annotations

from attunet_gui.system.plurals import abbreviated_list, counted, plural_of


def test_one_is_one_and_everything_else_is_several() -> None:
    assert [counted(n, "slice") for n in (0, 1, 2, 11)] == ["0 slices", "1 slice", "2 slices", "11 slices"]
    assert [counted(n, "series", "series") for n in (1, 3)] == ["1 series", "3 series"]
    assert [plural_of(n, "voxel") for n in (1, 5)] == ["voxel", "voxels"]


def test_a_long_list_is_cut_and_says_how_much_is_left_out() -> None:
    assert abbreviated_list(["a", "b"], 2) == "a, b"
    assert abbreviated_list(["a", "b", "c", "d"], 2) == "a, b and 2 more"
    assert abbreviated_list([], 2) == ""
