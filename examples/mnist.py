"""MNIST, the classic: learn to read handwritten digits from 5,000 images, then read 10,000 others.

python examples/mnist.py                 LeNet, a convolutional network
python examples/mnist.py --model mlp     a multilayer perceptron
python examples/mnist.py --quick         a few seconds, to see that it works
"""

import argparse
import sys
import time
from pathlib import Path

import tinygrad_lite as tl
from tinygrad_lite import data, io, nn, optim, train
from tinygrad_lite.plots import misread_figure
from tinygrad_lite.regularizers import L2, matrices

DATA = Path(__file__).parent / "data" / "mnist_5k_10k.npz"


def lenet():
    """LeNet-5 with ReLU and max pooling.   Source: LeCun et al. 1998, Proceedings of the IEEE 86(11), 2278-2324."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),  # 28 x 28 pixels -> 14 x 14
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),  # -> 10 x 10 -> 5 x 5
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120), nn.ReLU(),
        nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10),
    )  # fmt: skip


def mlp():
    """Two hidden layers, with dropout against learning the 5,000 images by heart."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(28 * 28, 256), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(128, 10),
    )  # fmt: skip


# Network, epochs, learning rate, strength of the weight decay: chosen on 1,000 of the 5,000, never on the 10,000.
RECIPES = {"lenet": (lenet, 20, 3e-3, 0.1), "mlp": (mlp, 30, 2e-3, 0.1)}


def main():
    parser = argparse.ArgumentParser(description="Train on 5,000 MNIST images, test on 10,000.")
    parser.add_argument("--model", choices=RECIPES, default="lenet")
    parser.add_argument("--epochs", type=int, help="default: lenet 20, mlp 30")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="three epochs on 1,000 images, test on 1,000")
    parser.add_argument("--out", type=Path, default=Path("runs/mnist"))
    args = parser.parse_args()

    (x, y), (x_test, y_test) = data.mnist(DATA)
    x, x_test = x[:, None], x_test[:, None]  # one channel
    if args.quick:
        x, y, x_test, y_test = x[:1000], y[:1000], x_test[:1000], y_test[:1000]
    make, epochs, lr, decay = RECIPES[args.model]
    epochs = args.epochs or (3 if args.quick else epochs)

    tl.manual_seed(args.seed)
    model = make()
    optimizer = optim.AdamW(model, lr=lr, decay=L2(decay).on(matrices))
    # Every image moved by up to 2 pixels each way, anew each time: so 5,000 images count for more.
    images = data.DataLoader((x, y), batch_size=50, transform=data.transforms.RandomShift(2))
    schedule = optim.CosineAnnealingLR(optimizer, epochs * len(images), interval="step")
    started = time.perf_counter()
    train.fit(model, images, optimizer=optimizer, epochs=epochs, schedule=schedule, metrics=[train.Accuracy()])
    seconds = time.perf_counter() - started

    predictions = train.predict(model, x_test).argmax(axis=1)
    accuracy = train.accuracy(y_test, predictions)
    print(train.scores_table(train.confusion_matrix(y_test, predictions, classes=10), name="digit"))
    print(f"{args.model}: {accuracy:.2%} of {len(y_test)} test images, after {seconds:.0f} s of training")

    args.out.mkdir(parents=True, exist_ok=True)
    io.save_weights(args.out / f"{args.model}.safetensors", model)
    try:
        figure = misread_figure(x_test, y_test, predictions, title=f"MNIST, {args.model}: {accuracy:.2%}")
        figure.savefig(args.out / f"{args.model}_misread.png")
    except ImportError as error:
        print(error, file=sys.stderr)
    print(f"saved in {args.out}: {', '.join(sorted(path.name for path in args.out.glob(f'{args.model}*')))}")


if __name__ == "__main__":
    main()
