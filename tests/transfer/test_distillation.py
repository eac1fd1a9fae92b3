from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch

from handful.augment.policy import Policy
from handful.augment.views import views_of
from handful.core.errors import ModelError, UsageError
from handful.evaluate.arrays import softmax
from handful.nn import embedded
from handful.nn.embedded import EfficientNetLite0Backbone
from handful.nn.features import frozen_features
from handful.recipe.ensemble import Ensemble
from handful.recipe.recipe import Recipe
from handful.transfer import distillation_torch
from handful.transfer.activations_torch import cached_activations
from handful.transfer.distillation import SECONDS_AN_ANSWER, Distillation
from handful.transfer.distillation_torch import answers_of, lessons_of, taught
from handful.transfer.fine_tuning import FineTuning
from handful.transfer.probe import Probe
from handful.transfer.technique import Examples, Problem

N, SIZE = 10, 32
TARGETS = np.arange(N) % 2
ROWS = np.arange(N)
LIGHT = Policy.parse("light")
START = Probe(("block15.mean", "head.mean"), views=(0, 1), test_views=(0, 1))
STUDENT = FineTuning(START, 1, n_views=3, least_steps=2, most_steps=2, batch_size=4)


@dataclass(frozen=True)
class Redness:
    """A teacher that learns nothing: the redder a picture, the more it is of class 1."""

    sure: float = 1.0
    given: tuple = ([], [])

    def seconds(self, n_examples):
        return 3.0 * n_examples

    def fit(self, problem):
        self.given[0].append(problem.examples.raw)
        return self

    def scores(self, examples):
        self.given[1].append(examples.raw)
        red = examples.raw[..., 0].mean(axis=(1, 2)) - examples.raw[..., 2].mean(axis=(1, 2))
        return self.sure * np.stack([-red, red], axis=1) / 10


@pytest.fixture(scope="module")
def backbone():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "SIZES", (SIZE, 64, 224))
        yield EfficientNetLite0Backbone(SIZE)


@pytest.fixture(scope="module")
def pixels():
    """Grey noise, redder and bluer, four of one class and six of the other: no more than half the labels agree."""
    noise = np.random.default_rng(0).integers(60, 180, (N, SIZE, SIZE, 1)).repeat(3, axis=3)
    tint = np.where(ROWS < 4, 30, -30)[:, None] * np.array([1, 0, -1])
    return (noise + tint[:, None, None]).astype(np.uint8)


@pytest.fixture
def problem(backbone, pixels):
    return Problem(Examples(pixels, frozen_features), TARGETS, 2, ROWS, {backbone.name: backbone}, 5, jobs=1)


def test_teacher_and_student_are_shown_the_same_views(problem, backbone, pixels):
    teacher, views = Redness(given=([], [])), views_of(LIGHT, 3)
    pictures, lessons = lessons_of(Distillation(teacher, STUDENT), problem, backbone, LIGHT, None)
    answers_of(teacher, pictures, lessons)
    shown = teacher.given[1][0].reshape(N, 3, SIZE, SIZE, 3)
    for row, at in ((0, 0), (0, 2), (7, 1)):
        np.testing.assert_array_equal(shown[row, at], views[at](pixels[row]))
    expected = cached_activations(backbone, pixels, views, 15)
    np.testing.assert_allclose(lessons.activations.flow, expected.flow, atol=2e-2)
    np.testing.assert_allclose(lessons.activations.below, expected.below, atol=2e-2)


def test_views_are_drawn_at_full_size_and_made_smaller_for_the_student(problem, backbone, pixels):
    large = replace(problem, examples=Examples(pixels.repeat(2, axis=1).repeat(2, axis=2), frozen_features))
    pictures, lessons = lessons_of(Distillation(Redness(), STUDENT), large, backbone, LIGHT, None)
    assert pictures.raw.shape == (3 * N, 64, 64, 3)
    _, small = lessons_of(Distillation(Redness(), STUDENT), problem, backbone, LIGHT, None)
    np.testing.assert_allclose(lessons.activations.flow[:, 0], small.activations.flow[:, 0], atol=2e-2)  # undrawn


def test_the_student_believes_its_teacher_not_the_labels(problem, backbone, pixels):
    student = replace(STUDENT, least_steps=40, most_steps=40, head_factor=5.0)
    fitted = Distillation(Redness(), student).fit(problem, backbone, LIGHT)
    told = Redness().scores(problem.examples)
    before = softmax(START.fit(problem, backbone, LIGHT).scores(problem.examples))
    after = softmax(fitted.scores(problem.examples))
    assert (after.argmax(axis=1) == told.argmax(axis=1)).all()
    assert np.abs(after - softmax(told)).mean() < 0.5 * np.abs(before - softmax(told)).mean()


def test_nobody_learns_from_the_fold_that_is_left_out(problem, backbone, pixels):
    teacher, folds = Redness(given=([], [])), (ROWS % 3)[None]
    _, expected = Distillation(teacher, STUDENT, scale=1.0).out_of_fold(problem, backbone, LIGHT, folds)
    for number, raw in enumerate(teacher.given[0]):
        np.testing.assert_array_equal(raw, pixels[folds[0] != number])
    settings = Distillation(teacher, STUDENT, scale=1.0)
    views, lessons = lessons_of(settings, problem, backbone, LIGHT, None)
    answers = answers_of(teacher, views, lessons)
    kept = np.flatnonzero(folds[0] != 1)
    blank = np.where((folds[0] == 1)[:, None, None], np.nan, answers)
    tuned = [taught(settings, backbone, lessons, each, kept, 6).state_dict() for each in (answers, blank)]
    assert all(torch.equal(tuned[0][name], tuned[1][name]) for name in tuned[0])
    assert np.isfinite(expected).all()
    assert expected.shape == (1, N, 2)


def test_a_teacher_s_scores_may_be_of_any_size(problem, backbone):
    """They are scaled to sound probabilities by what teachers say of examples that they never saw."""
    folds = (ROWS % 2)[None]
    found = [
        Distillation(Redness(sure), STUDENT).out_of_fold(problem, backbone, LIGHT, folds) for sure in (1.0, 1000.0)
    ]
    assert found[0][0].scale == pytest.approx(1000 * found[1][0].scale, rel=1e-2)
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-2)


def test_unlabelled_examples_are_taught_too(problem, backbone, pixels):
    teacher, more = Redness(given=([], [])), Examples(255 - pixels[:4], frozen_features)
    settings = Distillation(teacher, STUDENT)
    views, lessons = lessons_of(settings, problem, backbone, LIGHT, more)
    answers = answers_of(teacher, views, lessons)
    assert answers.shape == (N + 4, 3, 2)
    few = taught(settings, backbone, lessons, answers, ROWS, 0).head.linear.weight
    shifted = answers + np.where(np.arange(N + 4) < N, 0, [[5], [-5]]).T[:, None, :].astype(np.float32)
    other = taught(settings, backbone, lessons, shifted, ROWS, 0).head.linear.weight
    assert not torch.equal(few, other)
    with_folds = settings.out_of_fold(problem, backbone, LIGHT, (ROWS % 2)[None], more)[1]
    assert with_folds.shape == (1, N, 2)


def test_an_ensemble_of_two_sizes_can_teach(problem, backbone, pixels):
    """What it says of the undrawn view is what it says of the example itself; the student answers likewise."""
    large = EfficientNetLite0Backbone(64)
    doubled = Examples(pixels.repeat(2, axis=1).repeat(2, axis=2), frozen_features)
    both, tinted = {large.name: large, backbone.name: backbone}, (ROWS >= 4).astype(int)
    problem = replace(problem, examples=doubled, backbones=both, targets=tinted)
    ensemble = Ensemble(tuple(Recipe(name, START, LIGHT) for name in both), (0.25, 0.25))  # unsure
    settings = Distillation(ensemble, replace(STUDENT, least_steps=30, most_steps=30, head_factor=5.0))
    teacher = ensemble.fit(problem)
    expected = teacher.scores(doubled)
    answers = answers_of(teacher, *lessons_of(settings, problem, backbone, LIGHT, None))
    np.testing.assert_allclose(answers[:, 0], expected, atol=2e-2)
    found = settings.fit(problem, backbone, LIGHT).scores(doubled)
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))
    assert np.abs(softmax(found) - softmax(expected)).max() < 0.1  # its own probe is 0.3 surer


def test_lessons_are_drawn_once_for_all_folds_and_the_fit(problem, backbone, pixels, monkeypatch):
    asked = []
    monkeypatch.setattr(
        distillation_torch,
        "cached_activations",
        lambda *given, **more: asked.append(1) or cached_activations(*given, **more),
    )
    settings = Distillation(Redness(), STUDENT)
    settings.out_of_fold(problem, backbone, LIGHT, (ROWS % 2)[None])
    settings.fit(problem, backbone, LIGHT)
    assert len(asked) == 1
    settings.fit(problem, backbone, LIGHT, Examples(255 - pixels[:4], frozen_features))
    assert len(asked) == 2


def test_folds_can_be_distilled_in_two_goes(problem, backbone):
    """What is left out of a first look is learned from, by teachers too; the scale is found by the look."""
    folds, settings = (ROWS % 3)[None], Distillation(Redness(), STUDENT)
    settled, looked = settings.out_of_fold(problem, backbone, LIGHT, np.where(folds < 2, folds, -1))
    _, rest = settled.out_of_fold(problem, backbone, LIGHT, np.where(folds >= 2, folds, -1))
    _, at_once = settled.out_of_fold(problem, backbone, LIGHT, folds)
    np.testing.assert_array_equal(np.where(folds[..., None] < 2, looked, rest), at_once)
    assert np.isfinite(at_once).all()


def test_folds_side_by_side_give_the_same_bytes(problem, backbone):
    settings = Distillation(Recipe(backbone.name, STUDENT, LIGHT), STUDENT)  # the teacher is trained, too
    one, two = (settings.out_of_fold(replace(problem, jobs=jobs), backbone, LIGHT, (ROWS % 2)[None]) for jobs in (1, 2))
    assert one[0] == two[0]
    assert one[1].tobytes() == two[1].tobytes()


def test_lessons_on_disk_are_taught_here_as_no_other_process_can_open_them(problem, backbone, monkeypatch):
    folds, settings = (ROWS % 2)[None], Distillation(Redness(), STUDENT)
    _, expected = settings.out_of_fold(replace(problem), backbone, LIGHT, folds)
    monkeypatch.setattr(distillation_torch, "cached_activations", partial(cached_activations, memory_limit=0))
    on_disk = replace(problem, jobs=2)
    _, found = settings.out_of_fold(on_disk, backbone, LIGHT, folds)
    assert lessons_of(settings, on_disk, backbone, LIGHT, None)[1].activations.on_disk
    np.testing.assert_array_equal(found, expected)


def test_its_time_is_that_of_teacher_answers_and_student():
    found = Distillation(Redness(), STUDENT).seconds(10)
    assert found == pytest.approx(3.0 * 10 + SECONDS_AN_ANSWER * 10 * 3 + STUDENT.seconds(10))
    both = Ensemble((Recipe("net", STUDENT), Recipe("net", START), Recipe("net", STUDENT)))
    assert Distillation(both, STUDENT).seconds(10) == pytest.approx(
        3 * STUDENT.seconds(10) + SECONDS_AN_ANSWER * 10 * 3
    )


@pytest.mark.parametrize(("n", "n_views"), [(10, 24), (100, 24), (400, 6), (5000, 2)])
def test_many_examples_are_taught_in_fewer_views_but_never_in_fewer_than_a_prediction_needs(n, n_views):
    assert Distillation(Redness(), FineTuning(START)).n_views_worth(n) == n_views


def test_the_same_seed_gives_the_same_student(problem, backbone):
    teacher = Ensemble((Recipe(backbone.name, START, LIGHT), Recipe(backbone.name, STUDENT, LIGHT)))
    found = [
        Distillation(teacher, STUDENT).fit(replace(problem, seed=seed), backbone, LIGHT).graph(backbone)
        for seed in (3, 3, 4)
    ]
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_it_saves_and_comes_back_with_its_teacher():
    teacher = Recipe("net", Probe(("a",)), LIGHT)
    settings = Distillation(teacher, STUDENT, temperature=2.0)
    saved = settings.to_json()
    assert Distillation.from_json({**saved, "teacher": teacher}) == settings
    with pytest.raises(ModelError, match="the teacher of a distillation has not been read"):
        Distillation.from_json(saved)
    assert settings.describe("net@160", LIGHT).endswith("taught by ridge, 1 layer, square root, 1 view")


def test_what_cannot_be_taught_is_refused(problem, backbone):
    with pytest.raises(UsageError, match=r"temperature=0 is not above 0; Distillation"):
        Distillation(Redness(), STUDENT, temperature=0)
    with pytest.raises(UsageError, match=r"a student whose whole network is trained cannot.*choose n_blocks from 0"):
        Distillation(Redness(), replace(STUDENT, n_blocks="all"))
    texts = replace(problem, examples=Examples(["a"] * N, frozen_features))
    with pytest.raises(UsageError, match="only pictures can be taught here; Distillation"):
        Distillation(Redness(), STUDENT).fit(texts, backbone, LIGHT)
