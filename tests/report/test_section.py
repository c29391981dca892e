from __future__ import annotations

from matplotlib.figure import Figure

from torchghm.report.section import Tile, section, tiles_by_method
from torchghm.results.run import read_run


def figure():
    fig = Figure()
    return fig, fig.add_subplot()


def test_empty_groups_and_sections_are_left_out():
    tile = Tile("<svg/>")
    made = section("one", ("Title", "Caption"), ("none", []), ("some", [tile]))
    assert (made.id, made.title, made.caption, made.groups) == ("one", "Title", "Caption", [("some", [tile])])
    assert section("one", ("Title", "Caption"), ("none", [])) is None


def test_a_tile_is_of_the_first_seed_and_named_where_there_are_several_methods(run_folder):
    run = read_run(run_folder)
    seen = []

    def draw(of: object):
        seen.append(of)
        return figure(), "a note"

    (tile,) = tiles_by_method({"ghmc+ghmr": (run, object())}, "prefix", "label", draw)
    assert seen == [run]
    assert (tile.title, tile.note) == ("", "a note")
    tiles = tiles_by_method({"ghmc+ghmr": (run,), "ce+smooth_l1": (run,)}, "prefix", "label", draw)
    assert [tile.title for tile in tiles] == ["GHM-C + GHM-R", "CE + smooth L1"]
    assert tiles[0].color != tiles[1].color
    assert 'aria-label="label, CE + smooth L1"' in tiles[1].svg


def test_a_run_that_lacks_the_data_has_no_tile(run_folder):
    assert tiles_by_method({"ghmc+ghmr": (read_run(run_folder),)}, "prefix", "label", lambda run: None) == []
