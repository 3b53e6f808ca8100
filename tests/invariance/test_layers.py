"""The measures of operations that subsample, against known truths and against slow NumPy."""

import cmath
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bias_toolkit.invariance.layers import aliased_energy, layer_measures, pooled_change, shift_error


def noise(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def rolled(image, views=9):
    """The views of an image (C, H, W) that moves down and to the right over a circle."""
    return torch.stack([torch.roll(image, (k - 4, k - 4), (-2, -1)) for k in range(views)])


def slow_dft(channel):
    height, width = channel.shape
    turns = [
        [cmath.exp(-2j * math.pi * i * j / size) for j in range(size)] for size in (height, width) for i in range(size)
    ]
    down, across = np.array(turns[:height]), np.array(turns[height:])
    return down @ channel @ across.T


def frequency(place, size):
    return (place if place < size / 2 else place - size) / size


def slow_aliased_energy(dense, stride):
    folding = total = 0.0
    for channel in dense:
        height, width = channel.shape
        down, across = np.hanning(height), np.hanning(width)
        spectrum = slow_dft((channel - channel.mean()) * down[:, None] * across[None, :])
        for i in range(height):
            for j in range(width):
                power = abs(spectrum[i, j]) ** 2
                total += power
                if max(abs(frequency(i, height)), abs(frequency(j, width))) >= 1 / (2 * stride):
                    folding += power
    return folding / total


def slow_shift_error(maps, total_stride):
    variance = sum(((channel - channel.mean()) ** 2).sum() for channel in maps[4])
    errors = []
    for d in (-3, -2, -1, 1, 2, 3):
        error = 0.0
        for shifted, channel in zip(maps[4 + d], maps[4], strict=True):
            height, width = channel.shape
            spectrum = slow_dft(channel)
            for i in range(height):
                for j in range(width):
                    f = frequency(i, height) + frequency(j, width)
                    spectrum[i, j] *= cmath.exp(-2j * math.pi * f * d / total_stride)
            moved = np.conj(slow_dft(np.conj(spectrum))) / (height * width)
            error += ((shifted - moved.real) ** 2).sum()
        errors.append(error / variance)
    return sum(errors) / 6


def slow_pooled_change(maps):
    changes = []
    for k in range(8):
        one, other = (np.array([channel.mean() for channel in maps[view]]) for view in (k, k + 1))
        difference = math.sqrt(((other - one) ** 2).sum())
        changes.append(2 * difference / (math.sqrt((one**2).sum()) + math.sqrt((other**2).sum())))
    return sum(changes) / 8


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(3, 9), width=st.integers(3, 9), stride=st.integers(2, 4), total=st.sampled_from([1, 2, 4, 6, 32])
)
def test_measures_are_those_of_slow_loops(height, width, stride, total):
    maps, dense = noise(9, 2, height, width, seed=height), noise(3, height + 4, width + 3, seed=width)
    assert aliased_energy(dense, stride) == pytest.approx(slow_aliased_energy(dense.numpy(), stride), abs=1e-9)
    assert shift_error(maps, total) == pytest.approx(slow_shift_error(maps.numpy(), total), rel=1e-9)
    assert pooled_change(maps) == pytest.approx(slow_pooled_change(maps.numpy()), rel=1e-9)
    single = layer_measures(maps.float(), dense.float(), stride, total)
    assert single["shift_error"] == pytest.approx(slow_shift_error(maps.numpy(), total), rel=1e-5)


@pytest.mark.parametrize("side", [15, 16])
@torch.no_grad()
def test_without_subsampling_all_three_are_zero(side):
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, padding=1, padding_mode="circular"), nn.ReLU()]
    layers += [nn.Conv2d(8, 5, 5, padding=2, padding_mode="circular"), nn.Sigmoid(), nn.MaxPool2d(1)]
    maps = nn.Sequential(*layers)(rolled(noise(3, side, side).float()))
    assert layer_measures(maps, maps[4], 1, 1) == pytest.approx(dict.fromkeys(MEASURES, 0.0), abs=1e-5)


MEASURES = ("aliased_energy", "shift_error", "pooled_change")


def ideal_low_pass(images, highest):
    """Remove every frequency of `highest` cycles a pixel or more along either axis."""
    spectrum = torch.fft.fft2(images)
    for axis in (-2, -1):
        keep = torch.fft.fftfreq(images.shape[axis]).abs() < highest
        spectrum = spectrum * (keep if axis == -1 else keep[:, None])
    return torch.fft.ifft2(spectrum).real


@pytest.mark.parametrize(("stride", "side"), [(2, 32), (2, 30), (4, 32), (3, 45)])
def test_a_stride_after_an_ideal_low_pass_loses_no_shiftability(stride, side):
    kernel = noise(6, 3, 3, 3, seed=1)
    dense = F.conv2d(F.pad(rolled(noise(3, side, side)), (1, 1, 1, 1), mode="circular"), kernel)
    filtered = ideal_low_pass(dense, 1 / (2 * stride))
    assert shift_error(filtered[..., ::stride, ::stride], stride) < 1e-5
    assert pooled_change(filtered[..., ::stride, ::stride]) < 1e-5
    # Without the filter, or after a nonlinearity that widens the spectrum again, it is not so.
    assert shift_error(dense[..., ::stride, ::stride], stride) > 0.5
    assert shift_error(filtered.relu()[..., ::stride, ::stride], stride) > 0.01


def test_the_translation_has_the_sign_of_the_views():
    maps = rolled(noise(2, 16, 16))
    assert shift_error(maps, 1) < 1e-9
    assert shift_error(maps.flip(0), 1) > 1


def test_aliased_energy_of_one_wave_is_all_or_nothing():
    place = torch.arange(64, dtype=torch.float64)

    def wave(cycles):
        return torch.cos(2 * torch.pi * cycles * place / 64).expand(2, 64, 64)

    # The window spreads a wave over the next frequencies.
    assert aliased_energy(wave(10), 2) < 1e-5
    assert aliased_energy(wave(20), 2) > 1 - 1e-5
    assert aliased_energy(wave(10), 4) > 1 - 1e-3
    assert aliased_energy(wave(10).mT, 4) == pytest.approx(aliased_energy(wave(10), 4))
    assert aliased_energy(wave(10) + 7, 2) < 1e-5


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_a_map_that_does_not_vary_has_no_value(value):
    maps = torch.full((9, 3, 8, 8), value)
    assert math.isnan(aliased_energy(maps[4], 2))
    assert math.isnan(shift_error(maps, 2))
    assert math.isnan(pooled_change(maps)) == (value == 0)


def test_maps_without_room_for_a_window_have_no_value():
    assert math.isnan(aliased_energy(noise(3, 2, 2), 2))
    assert math.isnan(aliased_energy(noise(3, 1, 1), 2))
    assert math.isnan(shift_error(noise(9, 3, 1, 1), 2))


def test_channels_last_memory_changes_nothing():
    maps, dense = noise(9, 4, 10, 10).float(), noise(4, 20, 20).float()
    last = layer_measures(
        maps.contiguous(memory_format=torch.channels_last), dense.permute(1, 2, 0).contiguous().permute(2, 0, 1), 2, 4
    )
    assert last == pytest.approx(layer_measures(maps, dense, 2, 4), rel=1e-6)
