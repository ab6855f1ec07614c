"""See whether operations on a device wait for it, or take something to it, without having one."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

LOOKING = {
    "_local_scalar_dense",
    "nonzero",
    "masked_select",
    "is_nonzero",
    "equal",
    "_unique2",
    "index_put",
    "index_put_",
}


class Watching(TorchDispatchMode):
    """Refuse operations for which a device has to be waited for, and tensors that are not on it."""

    def __init__(self, device):
        super().__init__()
        self.device, self.operations = device, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert name not in LOOKING, f"{name} waits for the device"
        result = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)]
        assert all(tensor.device == self.device for tensor in tensors), f"{name} takes a tensor to the device"
        self.operations.append(name)
        return result
