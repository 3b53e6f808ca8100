"""The sweeps of the size curve."""

from bias_toolkit.invariance import size_curve_sweeps


def test_crops_to_the_whole_image_and_embeds_from_it():
    sweeps = size_curve_sweeps()
    assert [sweep.size for sweep in sweeps if sweep.protocol == "crop"] == [k / 10 for k in range(1, 11)]
    assert [sweep.size for sweep in sweeps if sweep.protocol == "embed"] == [k / 10 for k in range(10, 20)]
    assert {sweep.fill for sweep in sweeps if sweep.protocol == "embed"} == {"mean"}
    assert len({sweep.name for sweep in sweeps}) == 20
