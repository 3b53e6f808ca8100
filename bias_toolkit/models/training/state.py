"""The state of a training as one array, so that an interrupted one goes on where it was."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW

MOMENTS = ("exp_avg", "exp_avg_sq")


def to_array(network: nn.Module, optimizer: AdamW) -> np.ndarray:
    """The network's tensors, the two moments of AdamW for each parameter, and its number of steps; float32 (n,)."""
    states = [optimizer.state[parameter] for parameter in network.parameters()]
    moments = [state[name] for name in MOMENTS for state in states]
    tensors = [*network.state_dict().values(), *moments, states[0]["step"]]
    return torch.cat([tensor.detach().float().cpu().reshape(-1) for tensor in tensors]).numpy()


def from_array(array: np.ndarray, network: nn.Module, optimizer: AdamW) -> None:
    """Put the result of `to_array` back into a network and an optimizer of the same kind."""
    values = torch.from_numpy(np.array(array))

    def take(like: Tensor) -> Tensor:
        nonlocal values
        taken, values = values[: like.numel()], values[like.numel() :]
        return taken.reshape(like.shape).to(like)

    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.copy_(take(tensor))
    parameters = list(network.parameters())
    moments = {name: [take(parameter) for parameter in parameters] for name in MOMENTS}
    for number, parameter in enumerate(parameters):
        optimizer.state[parameter] = {name: moments[name][number] for name in MOMENTS} | {"step": values[-1].clone()}


def network_tensors(array: np.ndarray, network: nn.Module) -> dict[str, Tensor]:
    """The network's part of the result of `to_array`, by name; shapes and types are those of `network`."""
    tensors, start = {}, 0
    for name, like in network.state_dict().items():
        part = torch.from_numpy(np.array(array[start : start + like.numel()]))
        tensors[name] = part.reshape(like.shape).to(like.dtype)
        start += like.numel()
    return tensors
