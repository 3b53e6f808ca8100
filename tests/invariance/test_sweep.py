import math
import re
from dataclasses import replace

import pytest

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance import PROTOCOLS, STEP_PROTOCOLS, Sweep, expand_sweeps, protocol_of, size_curve_sweeps

CROP = Sweep("crop", "diagonal", 1.0)
EMBED = Sweep("embed", "diagonal", 2.0)
OFFSETS = Sweep("offsets", "random", 1.0)


@pytest.mark.parametrize(
    ("sweep", "change", "named"),
    [
        (CROP, {"protocol": "frames"}, "--protocol frames"),
        (CROP, {"transform": "scale"}, "--transform scale"),
        (CROP, {"transform": "spiral"}, "--transform spiral"),
        (OFFSETS, {"transform": "diagonal"}, "--transform diagonal"),
        (CROP, {"size": 0.0}, "--size 0"),
        (CROP, {"size": -1.0}, "--size -1"),
        (CROP, {"size": 1.5}, "--size 1.5"),
        (CROP, {"size": math.nan}, "--size nan"),
        (EMBED, {"size": 0.9}, "--size 0.9"),
        (EMBED, {"size": 0.5}, "--size 0.5"),
        (EMBED, {"size": math.inf}, "--size inf"),
        (OFFSETS, {"size": 0.5}, "--size 0.5"),
        (EMBED, {"fill": "white"}, "--fill white"),
        (CROP, {"sampling": "corner"}, "--sampling corner"),
        (OFFSETS, {"draws": 0}, "--draws 0"),
        (OFFSETS, {"seed": -1}, "--seed -1"),
    ],
)
def test_a_setting_out_of_place_is_named(sweep, change, named):
    with pytest.raises(InputError, match=re.escape(named)):
        replace(sweep, **change)


def test_every_step_is_compared_once():
    first, second = CROP.compared()
    assert list(zip(first, second, strict=True)) == [(k, k + 1) for k in range(8)]
    assert CROP.n_views == 9


def test_offsets_compare_within_draws_only():
    sweep = replace(OFFSETS, draws=3)
    first, second = sweep.compared()
    assert list(zip(first, second, strict=True)) == [(0, 1), (2, 3), (4, 5)]
    assert sweep.n_views == 6


def test_names_tell_sweeps_apart():
    sweeps = [
        CROP,
        replace(CROP, sampling="random"),
        replace(CROP, size=0.3),
        replace(CROP, size=0.30000001),
        replace(CROP, transform="vertical"),
        EMBED,
        replace(EMBED, fill="inpaint"),
        replace(EMBED, transform="scale"),
        OFFSETS,
        replace(OFFSETS, draws=2),
    ]
    names = [sweep.name for sweep in sweeps]
    assert len(set(names)) == len(names)
    assert names[0] == "crop-1-diagonal"
    assert names[5] == "embed-2-diagonal-mean"


def test_protocols_without_sizes_take_their_defaults():
    assert expand_sweeps(["crop", "embed", "offsets"]) == [CROP, EMBED, OFFSETS]


def test_sizes_and_transforms_go_where_they_belong():
    sweeps = expand_sweeps(["crop", "embed"], ["vertical", "scale"], [0.25, 1, 1.5])
    assert [(sweep.protocol, sweep.transform, sweep.size) for sweep in sweeps] == [
        ("crop", "vertical", 0.25),
        ("crop", "vertical", 1.0),
        ("embed", "vertical", 1.5),
        ("embed", "scale", 1.5),
    ]


def test_a_protocol_that_no_size_belongs_to_takes_its_default():
    sweeps = expand_sweeps(["crop", "embed"], ["scale"], [0.5])
    assert [(sweep.protocol, sweep.transform, sweep.size) for sweep in sweeps] == [
        ("crop", "diagonal", 0.5),
        ("embed", "scale", 2.0),
    ]


def test_settings_reach_only_the_protocol_they_belong_to():
    crop, embed, offsets = expand_sweeps(["crop", "embed", "offsets"], fill="black", sampling="random", draws=3, seed=5)
    assert crop == replace(CROP, sampling="random", seed=5)
    assert embed == replace(EMBED, fill="black")
    assert offsets == replace(OFFSETS, draws=3, seed=5)


def test_what_draws_nothing_has_no_seed():
    assert expand_sweeps(["crop", "embed"], seed=5) == expand_sweeps(["crop", "embed"], seed=6)


def test_what_is_asked_for_twice_is_done_once():
    assert expand_sweeps(["crop", "crop"], ["diagonal", "diagonal"], [1, 1.0]) == [CROP]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"protocols": []}, "--protocol"),
        ({"protocols": ["crop", "slide"]}, "--protocol slide"),
        ({"protocols": ["crop"], "sizes": [2]}, "--size 2 belongs to --protocol embed"),
        ({"protocols": ["embed"], "sizes": [2, 1]}, "--size 1 belongs to --protocol crop"),
        ({"protocols": ["offsets"], "sizes": [1]}, "--size 1 belongs to --protocol crop"),
        ({"protocols": ["crop", "offsets"], "transforms": ["scale"]}, "--transform scale"),
        ({"protocols": ["crop"], "fill": "black"}, "--fill black belongs to --protocol embed"),
        ({"protocols": ["crop"], "fill": "white"}, "--fill white is not known"),
        ({"protocols": ["embed"], "sampling": "random"}, "--sampling random belongs to --protocol crop"),
        ({"protocols": ["crop"], "sizes": [0]}, "--size 0"),
    ],
)
def test_what_belongs_nowhere_is_named(asked, named):
    with pytest.raises(InputError, match=re.escape(named)):
        expand_sweeps(**asked)


def test_the_size_curve_goes_from_crops_to_the_whole_image_and_embeds_from_it():
    sweeps = size_curve_sweeps()
    assert [sweep.size for sweep in sweeps if sweep.protocol == "crop"] == [k / 10 for k in range(1, 11)]
    assert [sweep.size for sweep in sweeps if sweep.protocol == "embed"] == [k / 10 for k in range(10, 20)]
    assert {sweep.fill for sweep in sweeps if sweep.protocol == "embed"} == {"mean"}
    assert len({sweep.name for sweep in sweeps}) == 20


def test_an_unknown_protocol_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="--protocol slide is not known; it has to be one of crop, embed, offsets"):
        protocol_of("slide")


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_a_protocol_allows_the_sizes_that_are_its_own(protocol):
    assert protocol.allows_size(protocol.default_size)
    assert all(protocol.allows_size(size) for size in protocol.curve_sizes)
    for size in (0.01, 0.5, 1.0, 1.01, 2.0, 50.0):
        owners = [each for each in PROTOCOLS if each.owns_size(size)]
        assert len(owners) == 1
        assert owners[0].allows_size(size)


def test_a_table_has_null_for_what_a_protocol_does_not_have():
    assert EMBED.columns() == {
        "protocol": "embed",
        "transform": "diagonal",
        "size": 2.0,
        "fill": "mean",
        "sampling": None,
    }
    assert (CROP.columns()["fill"], CROP.columns()["sampling"]) == (None, "centre")
    assert (OFFSETS.columns()["fill"], OFFSETS.columns()["sampling"]) == (None, None)


def test_offsets_alone_do_not_move_by_steps():
    assert STEP_PROTOCOLS == ("crop", "embed")
    assert (CROP.moves_by_steps, EMBED.moves_by_steps, OFFSETS.moves_by_steps) == (True, True, False)


def test_the_image_is_shown_larger_than_the_view_by_crop_and_smaller_by_embed():
    assert protocol_of("crop").image_side(0.25) == 2
    assert protocol_of("embed").image_side(2) == 0.5
