"""Training steps on a GPU: one model, written with what both libraries' layers have in common, in every way to run it.

Ours as it is and captured by `jit`; PyTorch's as it is, with the loss compiled (`reduce-overhead`), and with the whole
step captured as one CUDA graph. The last two have the fused optimizer, the fastest that PyTorch offers them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from ...harness.workload import Step, Workload
from .products import allow_tf32

__all__ = ["Training", "captured_graph"]


class Training(Workload):
    """Forward, cross-entropy, backward, update. Compared are losses and gradients of the first steps.

    `inputs` gives what the model takes, the classes of its rows of logits, and the parameters in the model's order.

    optimizer : its name in both libraries, and its settings.
    low : the dtype of `autocast`, if it is used.
    tf32 : whether products of float32 may round to TF32.
    compared : parts of the names of the parameters whose gradients are compared; all if empty.
    """

    reference = "torch"
    checks = 3
    tolerance = 1e-3
    optimizer: tuple[str, dict[str, Any]]
    low: str | None = None
    tf32 = False
    compared: tuple[str, ...] = ()

    def model(self, nn: Any, ops: Any) -> Any:
        """The model from a library's layers, and of its functions those in which the libraries differ.

        ops : `attention(q, k, v)`, causal; `permute(x, axes)`; `thirds(x)`, along the last axis.
        """
        raise NotImplementedError

    def loaded(self, model: Any, parameters: tuple[Any, ...]) -> tuple[list[Any], list[Any]]:
        """The parameters after `parameters` were put into the model, and those whose gradients are compared."""
        named = list(model.named_parameters())
        state = dict(model.state_dict()) | {n: v for (n, _), v in zip(named, parameters, strict=True)}
        model.load_state_dict(state)
        chosen = [p for name, p in named if not self.compared or any(part in name for part in self.compared)]
        return [p for _, p in named], chosen

    def tinygrad_lite(self, x, k, *parameters, captured: bool = False) -> Step:
        import tinygrad_lite as tl
        from tinygrad_lite import nn

        allow_tf32("tinygrad_lite", self.tf32)
        ops = SimpleNamespace(
            attention=lambda q, k, v: tl.scaled_dot_product_attention(q, k, v, is_causal=True),
            permute=tl.permute_dims,
            thirds=lambda x: tl.split(x, 3, axis=-1),
        )
        model = self.model(nn, ops).to(x.device)
        trained, compared = self.loaded(model, parameters)
        name, settings = self.optimizer
        optimizer = getattr(tl.optim, name)(trained, **settings)

        def train(x, k):
            optimizer.zero_grad()
            with tl.autocast(self.low) if self.low else nullcontext():
                loss = tl.cross_entropy(model(x), k)
            loss.backward()
            optimizer.step()
            return loss

        run = tl.jit(train) if captured else train
        return lambda: (run(x, k), *(parameter.grad for parameter in compared))

    def tinygrad_lite_captured(self, x, k, *parameters) -> Step:
        """The same step, captured by `jit`."""
        return self.tinygrad_lite(x, k, *parameters, captured=True)

    def torch(self, x, k, *parameters) -> Step:
        return self._torch(x, k, parameters, {})[0]

    def torch_compiled(self, x, k, *parameters) -> Step:
        """The loss compiled, with CUDA graphs for its forward and backward pass; the optimizer fused."""
        import torch

        step, _ = self._torch(x, k, parameters, {"fused": True}, lambda f: torch.compile(f, mode="reduce-overhead"))

        def marked():
            torch.compiler.cudagraph_mark_step_begin()
            return step()

        return marked

    def torch_graphed(self, x, k, *parameters) -> Step:
        """The whole step as one CUDA graph."""
        options = {"fused": True} | ({"capturable": True} if "Adam" in self.optimizer[0] and x.is_cuda else {})
        return captured_graph(*self._torch(x, k, parameters, options))

    def _torch(
        self, x, k, parameters: tuple[Any, ...], options: dict[str, Any], wrap: Callable = lambda f: f
    ) -> tuple[Step, Callable[[], None]]:
        """A step, and what puts parameters and the optimizer's state back to where they were before the first."""
        import torch
        from torch import nn

        allow_tf32("torch", self.tf32)
        ops = SimpleNamespace(
            attention=lambda q, k, v: nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),
            permute=torch.permute,
            thirds=lambda x: torch.chunk(x, 3, dim=-1),
        )
        model = self.model(nn, ops).to(x.device)
        trained, compared = self.loaded(model, parameters)
        name, settings = self.optimizer
        optimizer = getattr(torch.optim, name)(trained, **settings, **options)

        def loss_of(x, k):
            low = torch.autocast(x.device.type, getattr(torch, self.low)) if self.low else nullcontext()
            with low:
                return nn.functional.cross_entropy(model(x), k)

        loss_of = wrap(loss_of)

        def step():
            optimizer.zero_grad()
            loss = loss_of(x, k)
            loss.backward()
            optimizer.step()
            return loss.detach(), *(parameter.grad for parameter in compared)

        @torch.no_grad()
        def reset():
            for parameter, value in zip(trained, parameters, strict=True):
                parameter.copy_(value)
            for state in optimizer.state.values():
                for value in state.values():
                    if isinstance(value, torch.Tensor):
                        value.zero_()

        return step, reset


def captured_graph(step: Step, reset: Callable[[], None]) -> Step:
    """A PyTorch step as one CUDA graph, captured after three steps on a stream beside, which `reset` takes back."""
    import torch

    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = step()
    reset()

    def replay():
        graph.replay()
        return result

    return replay
