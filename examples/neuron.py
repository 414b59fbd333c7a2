"""One artificial neuron: what it computes, and how it learns the logical AND of two inputs."""

import numpy as np

import tinygrad_lite as tl


def neuron(x, weights, bias):
    """The weighted sum of the inputs plus the bias, squashed to lie between 0 and 1."""
    return tl.sigmoid(x @ weights + bias)


# What it computes: sigmoid(0 * 2 + 1 * 3 + 4) = sigmoid(7). It works on plain NumPy arrays.
out = neuron(np.array([2.0, 3.0]), weights=np.array([0.0, 1.0]), bias=4.0)
print(f"neuron([2, 3]) = {out:.10f}")

# How it learns: four questions with their answers, and a loss that is large where the neuron is wrong.
questions = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
answers = np.array([0, 0, 0, 1], dtype=np.float32)

weights = tl.tensor([0.0, 0.0], requires_grad=True)
bias = tl.tensor(0.0, requires_grad=True)

for step in range(1, 1001):
    loss = ((neuron(questions, weights, bias) - answers) ** 2).mean()
    loss.backward()  # fills weights.grad and bias.grad: in which direction, and how steeply, the loss rises
    with tl.no_grad():
        for parameter in (weights, bias):
            parameter.data = parameter.data - 2.0 * parameter.grad.data  # one step downhill
            parameter.grad = None
    if step in (1, 10, 100, 1000):
        print(f"step {step:4d}  loss {loss.item():.4f}")

for question, answer in zip(questions, neuron(questions, weights.data, bias.data), strict=True):
    print(f"{question[0]:.0f} and {question[1]:.0f}: {answer:.3f}, so {answer > 0.5}")
