"""Training a network further: exact resumption, the schedule, the arms, and a new head."""

import copy
import math
import resource

import numpy as np
import pytest
import torch
from torch import nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models import low_pass
from bias_toolkit.models.give_back import write_weights
from bias_toolkit.models.training.arms import ARMS, arm_of
from bias_toolkit.models.training.epoch import Schedule, epoch_order, new_optimizer, train_epoch
from bias_toolkit.models.training.head import with_new_head
from bias_toolkit.models.training.state import from_array, network_tensors, to_array
from bias_toolkit.models.training.views import as_tensor, random_views

SIDE, CLASSES, IMAGES, BATCH = 12, 3, 24, 8


def small_network(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, stride=2, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(24, CLASSES),
        )


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(1)
    classes = torch.arange(IMAGES) % CLASSES
    inputs = 0.3 * torch.randn(IMAGES, 3, SIDE, SIDE, generator=generator)
    inputs[torch.arange(IMAGES), classes] += 1
    return inputs, classes


def trained(network, data, epochs, start=0, state=None, rate=0.01, seed=5):
    """The losses and the state of a network after some epochs, from an earlier state if there is one."""
    inputs, classes = data
    network.train()
    optimizer, schedule = new_optimizer(network, rate), Schedule(4, IMAGES // BATCH, rate)
    if state is not None:
        from_array(state, network, optimizer)
    results = []
    for epoch in range(start, epochs):
        batches = [(inputs[rows], classes[rows]) for rows in map(torch.tensor, epoch_order(IMAGES, BATCH, epoch, seed))]
        results.append(train_epoch(network, optimizer, schedule, epoch, batches, seed=seed))
    return results, to_array(network, optimizer)


def test_training_lowers_the_loss_on_classes_that_differ(data):
    results, _ = trained(small_network(), data, 4)
    assert results[-1].loss < 0.7 * results[0].loss
    assert results[0].loss == pytest.approx(math.log(CLASSES), rel=0.4)
    assert results[-1].accuracy > 0.6


@pytest.mark.parametrize("stopped", [1, 3])
def test_an_interrupted_training_ends_in_the_same_weights(data, stopped):
    _, whole = trained(small_network(), data, 4)
    _, first = trained(small_network(), data, stopped)
    torch.rand(7)
    _, both = trained(small_network(seed=9), data, 4, stopped, first)
    np.testing.assert_array_equal(whole, both)


def test_the_same_seed_gives_the_same_weights_and_leaves_torchs_generator_alone(data):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    _, first = trained(small_network(), data, 1)
    assert torch.equal(before, torch.get_rng_state())
    _, again = trained(small_network(), data, 1)
    _, other = trained(small_network(), data, 1, seed=6)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_first_step_is_that_of_adamw(data):
    inputs, classes = data
    network = small_network()[:1].append(nn.Flatten()).append(nn.Linear(6 * 36, CLASSES))
    before = copy.deepcopy(network)
    optimizer = new_optimizer(network, 0.01)
    train_epoch(network, optimizer, Schedule(1, 1, 0.01), 0, [(inputs, classes)], seed=0)
    loss = nn.functional.cross_entropy(before(inputs), classes)
    loss.backward()
    for old, new in zip(before.parameters(), network.parameters(), strict=True):
        # In the first step, both corrected moments are those of the gradient g: the step is g / |g|.
        step = old.grad / (old.grad.abs() + 1e-8)
        expected = old.detach() * (1 - 0.01 * 0.01) - 0.01 * step
        torch.testing.assert_close(new.detach(), expected, atol=1e-6, rtol=1e-4)


def test_each_step_has_the_rate_of_the_schedule(data):
    inputs, classes = data
    moved = []
    for rate in (0.02, 0.01):
        network = small_network()
        before = copy.deepcopy(network)
        train_epoch(network, new_optimizer(network, 1.0), Schedule(1, 1, rate), 0, [(inputs, classes)], seed=0)
        moved.append([new - old for old, new in zip(before.parameters(), network.parameters(), strict=True)])
    for twice, once in zip(*moved, strict=True):
        torch.testing.assert_close(twice, 2 * once, atol=1e-6, rtol=1e-4)


def test_the_learning_rate_falls_along_half_a_cosine():
    schedule = Schedule(epochs=3, batches=4, rate=0.2)
    assert schedule.at(0) == 0.2
    assert schedule.at(6) == pytest.approx(0.1)
    assert 0 < schedule.at(11) < 0.01
    assert [schedule.at(k) for k in range(12)] == sorted((schedule.at(k) for k in range(12)), reverse=True)


def test_an_epoch_has_each_image_at_most_once_in_another_order():
    first, second = (np.concatenate(epoch_order(25, 8, epoch, 0)) for epoch in (0, 1))
    assert len(first) == len(set(first)) == 24
    assert (first != second).any()
    assert [len(batch) for batch in epoch_order(5, 8, 0, 0)] == [5]


def test_a_loss_that_is_no_number_is_refused_with_what_to_do(data):
    inputs, classes = data
    network = small_network()
    with torch.no_grad():
        network[-1].bias[0] = math.nan
    with pytest.raises(InputError, match=r"The loss became nan in step 1 of epoch 1; give a smaller --train-rate\."):
        trained(network, (inputs, classes), 1)


def test_weights_that_do_not_fit_on_the_disk_end_in_an_error_of_the_system(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_weights({"weight": torch.zeros(10_000)}, tmp_path / "network.safetensors")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_the_networks_tensors_come_back_by_name(data):
    network = small_network()
    _, array = trained(network, data, 1)
    found = network_tensors(array, small_network(seed=2))
    for name, tensor in network.state_dict().items():
        assert found[name].dtype == tensor.dtype
        torch.testing.assert_close(found[name], tensor, atol=0, rtol=0)


def test_arms_differ_in_filters_and_views_only():
    network = small_network().eval()
    images = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    assert [(arm.augmented, arm.antialiased) for arm in ARMS] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    for arm in ARMS:
        made = arm.network(network, SIDE)
        assert made.training
        assert all(parameter.requires_grad for parameter in made.parameters())
        like = low_pass(network, 3, input_size=SIDE) if arm.antialiased else network
        torch.testing.assert_close(made.eval()(images), like(images))
    assert not network.training
    with pytest.raises(InputError, match="blur is no arm of a training; it has to be one of trained, augmented"):
        arm_of("blur")


def test_random_views_have_the_inputs_size_and_the_canvas_the_mean_colour():
    image = as_tensor(np.full((40, 60, 3), 200, np.uint8))
    augment = random_views(SIDE, (0.5, 0.25, 0.0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        views = [augment(image) for _ in range(40)]
    assert {tuple(view.shape) for view in views} == {(3, SIDE, SIDE)}
    canvas = [
        bool(((view.float() - torch.tensor([128.0, 64.0, 0.0]).view(3, 1, 1)).abs() < 3).all(0).any()) for view in views
    ]
    assert 10 < sum(canvas) < 30
    assert all(bool((view == 200).any()) for view in views)


def test_random_views_show_parts_of_every_size():
    # Brightness rises across the image, so that a view's range says how much of it is shown.
    ramp = np.broadcast_to(np.linspace(50, 250, 60).astype(np.uint8)[None, :, None], (60, 60, 3))
    augment = random_views(SIDE, (0.0, 0.0, 0.0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        views = [augment(as_tensor(ramp)) for _ in range(60)]
    shown = [float(view[view > 45].float().max() - view[view > 45].float().min()) / 200 for view in views]
    assert min(shown) < 0.4
    assert max(shown) > 0.8


def test_a_new_head_has_other_classes_and_leaves_the_rest(data):
    inputs, _ = data
    network = small_network().eval()
    before = network[:-1](inputs)
    with_new_head(network, 7, SIDE, 0)
    assert network(inputs).shape == (IMAGES, 7)
    torch.testing.assert_close(network[:-1](inputs), before)
    convolution = nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Conv2d(5, 4, 1), nn.Flatten())
    with_new_head(convolution, 2, SIDE, 0)
    assert convolution(inputs).shape == (IMAGES, 2)
    with pytest.raises(InputError, match="does not end in a linear layer"):
        with_new_head(nn.Sequential(nn.Conv2d(3, 5, 3), nn.Flatten()), 2, SIDE, 0)
