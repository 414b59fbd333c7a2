"""Recommending films: every viewer and every film becomes a few numbers, learned from ratings (matrix factorisation).

rating = average + the viewer's bias + the film's bias + (the viewer's vector) . (the film's vector)

The ratings are made here, so that the answer is known: films have true places between calm and action and between grave
and funny, viewers have true tastes, and a rating is their product plus noise of 0.5 stars, which nobody can predict.

python examples/recommender.py            seconds; prints the error on ratings that were kept back
python examples/recommender.py --quick    fewer passes over the ratings
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygrad_lite as tl
from tinygrad_lite import data, nn, optim
from tinygrad_lite.regularizers import L2

VIEWERS, FILMS, NOISE = 1000, 200, 0.5


def made_ratings(rng):
    """Viewer, film and rating, each viewer having seen about an eighth of the films; and the films' true places."""
    films, tastes = rng.normal(size=(FILMS, 2)), 0.7 * rng.normal(size=(VIEWERS, 2))
    kindness, quality = 0.4 * rng.normal(size=VIEWERS), 0.6 * rng.normal(size=FILMS)
    viewer, film = np.nonzero(rng.random((VIEWERS, FILMS)) < 1 / 8)
    rating = 3 + kindness[viewer] + quality[film] + (tastes[viewer] * films[film]).sum(axis=1)
    rating += NOISE * rng.normal(size=len(rating))
    order = rng.permutation(len(rating))
    return (viewer[order], film[order], rating[order].astype(np.float32)), films


class Recommender(nn.Module):
    """A vector and a bias for each viewer and each film; a rating is what they come to together."""

    def __init__(self, average, width):
        self.average = average
        self.viewer_bias, self.film_bias = nn.Embedding(VIEWERS, 1), nn.Embedding(FILMS, 1)
        self.viewers, self.films = nn.Embedding(VIEWERS, width), nn.Embedding(FILMS, width)
        for table in self.parameters():
            table.data *= 0.1  # at first everybody is nearly alike

    def forward(self, viewer, film):
        biases = (self.viewer_bias(viewer) + self.film_bias(film)).squeeze(axis=-1)
        return self.average + biases + (self.viewers(viewer) * self.films(film)).sum(axis=-1)


def trained(ratings, penalty, epochs):
    """A recommender with small squared errors and a small penalty."""
    tl.manual_seed(0)
    model = Recommender(float(ratings[2].mean()), width=4)
    optimizer = optim.Adam(model, lr=0.02)

    @tl.jit
    def step(viewer, film, rating):
        loss = tl.mse(model(viewer, film), rating) + penalty(model)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    loader = data.DataLoader(ratings, batch_size=500, rng=0)
    for _ in range(epochs):
        for batch in loader:
            step(*batch)
    return model


def means(viewer, film, rating):
    """What a viewer gives on average, and what a film gets beyond that: the baseline that knows no tastes."""
    average = rating.mean()
    kindness = np.bincount(viewer, rating - average, VIEWERS) / np.bincount(viewer, minlength=VIEWERS).clip(1)
    beyond = rating - average - kindness[viewer]
    quality = np.bincount(film, beyond, FILMS) / np.bincount(film, minlength=FILMS).clip(1)
    return lambda viewer, film: average + kindness[viewer] + quality[film]


def error(predict, ratings):
    """The root of the mean squared error of predictions, in stars."""
    viewer, film, rating = ratings
    with tl.no_grad():
        return float(tl.mse(predict(viewer, film), rating)) ** 0.5


def picture(errors, places, films):
    """Errors for each strength of the penalty; the films' true places, and the learned ones in the same colours."""
    figure = Figure(figsize=(14, 4.6), dpi=130, layout="constrained")
    curve, *maps = figure.subplots(1, 3)
    for part, name in enumerate(("ratings seen", "ratings kept back")):
        curve.plot([f"{strength:g}" for strength in errors], [pair[part] for pair in errors.values()], "o-", label=name)
    curve.axhline(NOISE, color="gray", linestyle=":", label="noise")
    curve.set(title="Too little and too much weight decay", xlabel="strength of L2", ylabel="error in stars")
    curve.legend(frameon=False)
    red, green = np.clip(0.5 + films.T / 5, 0, 1)
    for axes, dots, title in zip(maps, (films, places), ("Films as they are", "Films as learned"), strict=True):
        axes.scatter(*dots.T, c=np.stack([red, green, np.full(FILMS, 0.5)], axis=1))
        axes.set(title=title, xlabel="calm to action", ylabel="grave to funny", xlim=(-3.4, 3.4), ylim=(-3.4, 3.4))
    return figure


def main():
    parser = argparse.ArgumentParser(description="Recommend films by matrix factorisation.")
    parser.add_argument("--quick", action="store_true", help="8 passes over the ratings instead of 20")
    parser.add_argument("--out", type=Path, default=Path("runs/recommender"))
    args = parser.parse_args()

    ratings, films = made_ratings(np.random.default_rng(0))
    kept = len(ratings[0]) // 5
    hidden, seen = [column[:kept] for column in ratings], tuple(column[kept:] for column in ratings)
    print(f"{VIEWERS} viewers, {FILMS} films, {len(seen[0])} ratings to learn from, {kept} kept back\n")
    print("error in stars on              seen   kept back")
    print(f"means of viewers and films   {error(means(*seen), seen):6.3f}   {error(means(*seen), hidden):9.3f}")
    models, errors = {}, {}
    for strength in (0, 1e-4, 2e-4, 4e-4, 1e-3):
        models[strength] = trained(seen, L2(strength), epochs=8 if args.quick else 20)
        errors[strength] = [error(models[strength], part) for part in (seen, hidden)]
        print(f"factorised, {f'L2({strength:g})':14}   {errors[strength][0]:6.3f}   {errors[strength][1]:9.3f}")
    print(f"whoever knows all but noise  {NOISE:6.3f}   {NOISE:9.3f}")

    # Learned axes mean nothing by themselves; is there a linear map from them to the true ones?
    vectors = models[2e-4].films.weight.detach().numpy()
    places = vectors @ np.linalg.lstsq(vectors, films)[0]
    told = 1 - np.var(films - places) / np.var(films)
    print(f"\nshare of the films' true places that lies in their learned vectors: {told:.3f}")
    args.out.mkdir(parents=True, exist_ok=True)
    picture(errors, places, films).savefig(args.out / "films.png")
    print(f"saved {args.out / 'films.png'}")


if __name__ == "__main__":
    main()
