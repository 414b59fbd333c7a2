"""Three learning rates on the same network: one too small, one right, one too large.

python examples/learning_rates.py

The same start, the same data, the same number of steps. The learning rate is how far each step goes downhill: too
short steps do not arrive, too long ones jump over the valley and up the other side.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygrad_lite as tl
from tinygrad_lite import nn, optim

OUT = Path("runs/learning_rates")
STEPS = 300
RATES = {"too small": 0.001, "right": 0.1, "too large": 0.2}


def train(lr, x, y):
    """A network that learns y from x by gradient descent; gives the loss before every step, and the model.

    It ends early where the loss has grown a thousandfold.
    """
    tl.manual_seed(0)  # the same first weights for every learning rate
    model = nn.Sequential(nn.Linear(1, 30), nn.Tanh(), nn.Linear(30, 1))
    optimizer = optim.SGD(model, lr=lr)
    losses = []
    for _ in range(STEPS):
        loss = tl.mse(model(x), y)
        losses.append(loss.item())
        if losses[-1] > 1000 * losses[0]:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses, model


x = np.linspace(-2, 2, 60, dtype=np.float32)[:, None]
y = np.sin(2 * x) + 0.1 * np.random.default_rng(0).normal(size=x.shape).astype(np.float32)

figure = Figure(figsize=(10, 4), layout="constrained")
left, right = figure.subplots(1, 2)
right.plot(x, y, ".", color="grey", label="data")
for (name, lr), color in zip(RATES.items(), ["tab:blue", "tab:green", "tab:red"], strict=True):
    losses, model = train(lr, x, y)
    end = "diverges" if losses[-1] > losses[0] else "learns"
    print(f"learning rate {lr:5.3f}, {name:9s} {end}: loss {losses[0]:.3f} -> {losses[-1]:.3f} in {len(losses)} steps")
    left.plot(losses, color=color, label=f"{lr}, {name}")
    if end == "learns":
        right.plot(x, model(x).detach().numpy(), color=color, label=f"learning rate {lr}")
left.set(xlabel="step", ylabel="loss", yscale="log", ylim=(0.01, 100), title="Loss while learning")
left.legend(title="learning rate", frameon=False)
right.set(xlabel="x", ylim=(-1.5, 1.8), title=f"What was learned after {STEPS} steps")
right.legend(frameon=False)

OUT.mkdir(parents=True, exist_ok=True)
figure.savefig(OUT / "learning_rates.png")
print(f"picture: {OUT}/learning_rates.png")
