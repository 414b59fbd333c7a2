"""Backpropagation step by step: every derivative of a network with two neurons, by hand beside the library's.

python examples/backpropagation.py

The network:  x --(w1, b1)--> z1 --sigmoid--> a1 --(w2, b2)--> z2 --sigmoid--> a2,  loss = (a2 - target)^2 / 2.
Forwards we compute the values from left to right. Backwards we ask of each value, from right to left, how much the loss
changes when it changes: always the answer of the value to its right, times one simple derivative. That is the chain
rule, and nothing else happens in a network with a billion weights.
"""

import numpy as np

import tinygrad_lite as tl

x, target = 2.0, 1.0
w1, b1, w2, b2 = 0.5, -0.3, -1.5, 0.2

# Forwards, by hand.
z1 = w1 * x + b1
a1 = 1 / (1 + np.exp(-z1))
z2 = w2 * a1 + b2
a2 = 1 / (1 + np.exp(-z2))
loss = (a2 - target) ** 2 / 2

# Backwards, by hand: d_name is the derivative of the loss with respect to that value.
d_a2 = a2 - target  # of (a2 - target)^2 / 2
d_z2 = d_a2 * a2 * (1 - a2)  # the sigmoid's slope is a (1 - a)
d_w2, d_b2 = d_z2 * a1, d_z2
d_a1 = d_z2 * w2
d_z1 = d_a1 * a1 * (1 - a1)
d_w1, d_b1 = d_z1 * x, d_z1
d_x = d_z1 * w1
by_hand = {"a2": d_a2, "z2": d_z2, "w2": d_w2, "b2": d_b2, "a1": d_a1, "z1": d_z1, "w1": d_w1, "b1": d_b1, "x": d_x}

# The same with the library: the forward pass as it is written, then one call for all the derivatives.
ours = {
    name: tl.tensor(value, dtype="float64", requires_grad=True)
    for name, value in {"x": x, "w1": w1, "b1": b1, "w2": w2, "b2": b2}.items()
}
ours["z1"] = ours["w1"] * ours["x"] + ours["b1"]
ours["a1"] = tl.sigmoid(ours["z1"])
ours["z2"] = ours["w2"] * ours["a1"] + ours["b2"]
ours["a2"] = tl.sigmoid(ours["z2"])
ours_loss = (ours["a2"] - target) ** 2 / 2
derivatives = tl.autograd.grad(ours_loss, [ours[name] for name in by_hand])

print("value      forwards    derivative of the loss")
print("                       by hand         the library's")
print(f"loss  {ours_loss.item():13.10f}  {1:14.10f}")
for (name, hand), derivative in zip(by_hand.items(), derivatives, strict=True):
    print(f"{name:4s}  {ours[name].item():13.10f}  {hand:14.10f}  {derivative.item():14.10f}")
largest = max(abs(hand - derivative.item()) for hand, derivative in zip(by_hand.values(), derivatives, strict=True))
print(f"largest difference {largest:.1e}")

# What the derivatives are for: a small step against them makes the loss smaller, by about rate * (their squares).
rate = 0.1
slopes = np.array([d_w1, d_b1, d_w2, d_b2])
w1, b1, w2, b2 = np.array([w1, b1, w2, b2]) - rate * slopes
after = (tl.sigmoid(w2 * tl.sigmoid(w1 * x + b1) + b2) - target) ** 2 / 2
print(f"one step of {rate} downhill: loss {loss:.6f} -> {after:.6f}; foretold {loss - rate * (slopes**2).sum():.6f}")
