"""Where in a network invariance is lost: three measures of an operation that subsamples.

F(k), shape (C, h, w), is the operation's result for view k, where the image is moved diagonally by one pixel from view
to view; view 4 is the centre view. u is the operation's result at stride 1 on the centre view: F(4) is every s-th
position of u. S is the product of all strides up to and including s.

A representation is shiftable if a shift of the input, by any number of pixels, moves it and changes nothing else. Then
its sum over space does not change either (A, section on shiftability). Subsampling ends this where u has frequencies
that the new grid cannot carry. These become other frequencies: they are aliased.
"""

from functools import cache

import torch
from torch import Tensor

from bias_toolkit.invariance.transforms import CENTRE

REACH = 3
"""The largest shift, in pixels, for `shift_error`."""
NO_POWER = 1e-12
"""Relative power at or below which a map varies by rounding only."""


def layer_measures(maps: Tensor, dense: Tensor, stride: int, total_stride: int) -> dict[str, float]:
    """All measures of one operation and image, by name; NaN where one is not defined.

    `maps` (9, C, h, w) is F(k), `dense` (C, H, W) is u, `stride` and `total_stride` are s and S.
    """
    return {
        "aliased_energy": aliased_energy(dense, stride),
        "shift_error": shift_error(maps, total_stride),
        "pooled_change": pooled_change(maps),
    }


def aliased_energy(dense: Tensor, stride: int) -> float:
    """The share of u's power at max(|f_y|, |f_x|) ≥ 1/(2s) cycles a sample: what folds over at stride s.

    The power is that of a two-dimensional DFT, summed over channels, after each channel's mean is subtracted and a
    separable, symmetric Hann window (0 at both ends) is applied. The region outside is the square that the subsampled
    grid can carry. At stride 1 nothing folds over, so the share is 0. NaN if u, or what the window leaves of it, does
    not vary. `dense` is u, (C, H, W).
    """
    height, width = dense.shape[-2:]
    # With channels last, each product of matrices is one for all channels.
    varying, power = _varying(dense.movedim(0, -1), (0, 1))
    if power == 0:
        return float("nan")
    if stride == 1:
        return 0.0
    (down, of_rows), (across, of_columns) = (
        _windowed_waves(size, stride, dense.dtype, dense.device) for size in (height, width)
    )
    total = float(of_rows @ torch.linalg.vector_norm(varying, dim=-1).double().square() @ of_columns)
    if total == 0:
        return float("nan")
    # Orthonormal waves keep the power, as the DFT does.
    carried = across @ (down @ varying.flatten(1)).view(-1, width, dense.shape[0])
    return max(1 - float(torch.linalg.vector_norm(carried, dim=-1).double().square().sum()) / total, 0.0)


def shift_error(maps: Tensor, total_stride: int) -> float:
    """The mean over d in {−3, …, 3} without 0 of Σ (F(4 + d) − T F(4))² / Σ (F(4) − channel mean)².

    T moves a map down and to the right by d/S cells, by the phase of its two-dimensional DFT; sums are over channels
    and space. 0 for a shiftable representation (A). −10 log10 of it is the equivariance, in decibels, of Karras et al.,
    NeurIPS 2021. NaN if F(4) does not vary. `maps` is F, (9, C, h, w).
    """
    height, width = maps.shape[-2:]
    _, power = _varying(maps[CENTRE], (-2, -1))
    if power == 0:
        return float("nan")
    spectra = torch.fft.rfft2(maps[CENTRE - REACH : CENTRE + REACH + 1].contiguous())
    centre, errors = spectra[REACH], []
    # Half of the spectrum of a real map: its other waves have a mirror image in the other half.
    occurrences = torch.full((centre.shape[-1], 1), 2.0, dtype=maps.dtype, device=maps.device)
    occurrences[[0, -1] if width % 2 == 0 else [0]] = 1.0
    for d in range(-REACH, REACH + 1):
        if d:
            phase = _phase(height, width, d / total_stride, centre.dtype, maps.device)
            # Parseval: the sum over space is the sum over frequencies, divided by their number.
            difference = torch.addcmul(spectra[REACH + d], centre, phase, value=-1)
            powers = torch.view_as_real(difference).square_().sum(dim=0)
            errors.append(float((powers * occurrences).sum()) / (height * width) / power)
    return sum(errors) / len(errors)


def pooled_change(maps: Tensor) -> float:
    """The mean over the 8 steps of 2 ‖g_{k+1} − g_k‖ / (‖g_{k+1}‖ + ‖g_k‖), where g_k is F(k)'s mean over space.

    0 for a shiftable representation, as its sum over space does not change (A's claim on global pooling). NaN if two
    neighbouring g are 0. `maps` is F, (9, C, h, w).
    """
    means = maps.mean(dim=(-2, -1)).double()
    norms = torch.linalg.vector_norm(means, dim=1)
    steps = torch.linalg.vector_norm(means[1:] - means[:-1], dim=1)
    return float((2 * steps / (norms[1:] + norms[:-1])).mean())


def _varying(maps: Tensor, space: tuple[int, int]) -> tuple[Tensor, float]:
    """Maps minus each channel's mean over the axes `space`, and the sum of squares: 0 if they vary by rounding only."""
    maps = maps.contiguous()
    means = maps.mean(dim=space, keepdim=True)
    varying = maps - means
    power = _sum_of_squares(varying)
    of_means = _sum_of_squares(means) * (maps.numel() // means.numel())
    return varying, power if power > NO_POWER * (power + of_means) else 0.0


def _sum_of_squares(values: Tensor) -> float:
    return float(values.square().sum())


def _whole_frequencies(size: int, device: torch.device) -> Tensor:
    """The frequencies of a DFT, in cycles per `size` samples: (size,), from 0 up, then the negative ones."""
    places = torch.arange(size, device=device)
    return torch.where(2 * places < size, places, places - size)


@cache
def _windowed_waves(size: int, stride: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """The waves of a DFT of `size` samples that every `stride`-th sample carries, times the window; and its squares.

    The waves are the rows: orthogonal cosines and sines, of norm 1 before the window. A wave of exactly 1/(2 `stride`)
    cycles is not carried.
    """
    # In whole numbers, so that a frequency of exactly 1/(2s) does not count.
    frequencies = torch.arange(-(-size // (2 * stride)), device=device)
    turns = torch.outer(frequencies, torch.arange(size, device=device)) % size
    angles = 2 * torch.pi * turns.double() / size
    waves = torch.cat([angles.cos(), angles[1:].sin()])
    window = torch.hann_window(size, periodic=False, dtype=torch.float64, device=device)
    windowed = window * waves / torch.linalg.vector_norm(waves, dim=1, keepdim=True)
    return windowed.to(dtype), window.square()


@cache
def _phase(height: int, width: int, cells: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The factor (h, w // 2 + 1) of a half spectrum that moves a real map down and to the right by a number of cells.

    At the highest frequency of an even size, the moved wave's real part is kept, as a real map cannot have the rest.
    """
    down, across = (_whole_frequencies(size, device).double() / size for size in (height, width))
    turns = -2 * torch.pi * cells * (down.unsqueeze(1) + across)
    whole = torch.polar(torch.ones_like(turns), turns)
    mirrored = whole[-torch.arange(height, device=device) % height][:, -torch.arange(width, device=device) % width]
    return (0.5 * (whole + mirrored.conj()))[:, : width // 2 + 1].to(dtype)
