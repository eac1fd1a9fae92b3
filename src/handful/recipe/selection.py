"""Trying recipes on the user's own data: the same folds for all, the best expected score, and what that is worth."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from handful.augment.policy import Policy
from handful.augment.views import views_of
from handful.core.errors import JobError
from handful.core.parallel import n_at_once
from handful.core.rng import stream
from handful.core.words import count
from handful.evaluate.arrays import Floats, Ints
from handful.evaluate.metric import Metric
from handful.evaluate.selection import Corrected, bias_corrected
from handful.nn.features import SECONDS_A_VIEW
from handful.recipe.candidates import (
    Candidate,
    Partner,
    distilled,
    ensembles,
    on_smaller_pictures,
    partners,
    usually_best,
)
from handful.recipe.ensemble import Ensemble
from handful.recipe.folds import Folds
from handful.recipe.recipe import Recipe
from handful.recipe.trial import Selection, Trial, contributions_of, readable
from handful.transfer.probe import Probe
from handful.transfer.technique import Problem

WITH_REFIT = 3  # times what a recipe takes to try: what it takes if it wins, with refit, learning curve and report
PRIOR_EXAMPLES = 100  # how many examples of its own a data set must bring to weigh as much as the prior
LOOK = 2  # folds after which a training that is clearly worse is given up
LITTLE_LEFT = 0.03  # of accuracy to gain: what training usually saves is a fourth of them, too few to be worth minutes
KEPT_FITS = 5  # for what is made from the best probe: three smaller sizes, a training, a distillation
HOPELESS = 0.1  # of accuracy behind the best probe, beyond two standard errors: even in an ensemble it would not help


def select(
    problem: Problem,
    candidates: Sequence[Candidate],
    folds: Folds,
    metric: Metric,
    policies: Mapping[Policy, float] | None = None,
) -> Selection:
    """Try the candidates on the same folds while the budget lasts, and take the best expected score.

    The expected score is the out-of-fold score shrunken towards the prior, as if `PRIOR_EXAMPLES` earlier examples had
    scored it; ties go to the cheaper. Where a budget in fits does not reach all candidates, those that usually do best
    are tried, and a third of the fits (`KEPT_FITS` at most) is kept for what is made from the best of them.

    Args:
        metric: What is maximised.
        policies: What views of trained candidates may be drawn from; when None nothing is tried but the candidates.
    """
    race, first, fits = Race(problem, folds, metric), candidates, problem.budget.fits
    if fits is not None:
        kept = 0 if policies is None else min(fits // 3, KEPT_FITS)
        first = usually_best(candidates, fits - kept)
    race.n_skipped = len(candidates) - len(first)
    race.try_exact(first)
    if policies is not None:
        race.go_on_from_the_best(policies)
    return race.decided()


@dataclass
class Race:
    """What has been tried so far."""

    problem: Problem
    folds: Folds
    metric: Metric
    trials: list[Trial] = field(default_factory=list)
    n_skipped: int = 0
    given_up: list[str] = field(default_factory=list)
    base: int = 0
    _n_first: int = 0

    @property
    def n_first(self) -> int:
        """How many recipes were tried before one was chosen to go on from."""
        return self._n_first or len(self.trials)

    def try_exact(self, candidates: Sequence[Candidate]) -> list[Trial]:
        """Exact recipes, until the budget ends; at least one has been tried afterwards."""
        first, budget = len(self.trials), self.problem.budget
        with self.problem.progress.track("trying recipes", len(candidates)) as done:
            for candidate in candidates:
                if self.trials and not budget.allows(WITH_REFIT * self._expected_seconds(candidate)):
                    break
                start = time.perf_counter()
                recipe, scores = candidate.recipe.out_of_fold(self.problem, self.folds.many)
                self.trials.append(self._trial(recipe, candidate.prior, scores, start))
                budget.spend()
                done(1)
        found = self.trials[first:]
        self.n_skipped += len(candidates) - len(found)
        return found

    def go_on_from_the_best(self, policies: Mapping[Policy, float]) -> None:
        """Smaller pictures, what is trained step by step, ensembles with the best probe, a student of the best."""
        self.base, self._n_first = self._best(), len(self.trials)
        best = self.trials[self.base]
        recipe, backbones = best.recipe.members[0], self.problem.backbones
        left = self.metric.bounds[1] - self._contributions(best).mean()
        if left < LITTLE_LEFT * self.metric.span(self.problem.n_classes):
            wrong = 1 - float(best.contributions(self.metric.of_answers, self.problem.targets).mean())
            self.given_up.append(f"nothing more was tried: the best probe is wrong in only {100 * wrong:.1f} %")
            return
        self.problem.budget.reserve((WITH_REFIT - 1) * best.seconds)
        smaller = self.try_exact(on_smaller_pictures(recipe, best.prior, backbones))
        beside: list[tuple[Trial, Partner]] = []
        offered = partners(recipe, self.problem, policies)
        for each, kind in offered:
            candidate = Candidate(each, best.prior + kind.alone)
            found = self._trained(candidate, best) if each.is_trained else self.try_exact([candidate])
            beside += [(trial, kind) for trial in found]
        exact = [best, *smaller, *(trial for trial, _ in beside if not trial.recipe.is_trained)]
        if len(exact) < 1 + len(smaller) + len(beside):  # something was trained
            self._also_on_few(exact)
        single = [trial.recipe.members[0] for trial in (best, *smaller)]
        for ensemble, gain in ensembles(single, [(trial.recipe.members[0], kind) for trial, kind in beside]):
            self.trials.append(self._voted(ensemble, best.prior + gain, self.trials))
        self._distil([recipe for recipe, _ in offered], exact)

    def decided(self) -> Selection:
        """The best expected score, and what it is worth once the choice is forgiven."""
        criterion, chosen = self._criterion(), self._best()
        corrected, of_answers = self._corrected(criterion, self.metric), self.metric.of_answers
        right = corrected if of_answers == self.metric else self._corrected(criterion, of_answers)
        return Selection(
            tuple(self.trials),
            chosen,
            corrected,
            right.correct,
            self.n_skipped,
            tuple(self.given_up),
            self.base if self._n_first else chosen,
        )

    def _corrected(self, criterion: Floats, metric: Metric) -> Corrected:
        """A metric of the winner, forgiven for a choice by the criterion: the same draws, whatever the metric.

        What was made from the best probe was made after a look at all examples: a draw cannot choose another one for
        it. So it is worth what choosing among probes is worth, forgiven, plus its gain over that probe.
        """
        targets = self.problem.targets
        scored = np.stack([trial.contributions(metric, targets).mean(axis=0) for trial in self.trials], axis=1)

        def forgiven(n_trials: int) -> Corrected:
            rng, units = stream(self.problem.seed, "choice"), self.problem.units
            part, of_part = criterion[:, :n_trials], scored[:, :n_trials]
            return bias_corrected(part, of_part, targets, units, "accuracy", rng, choose=self._best_expected)

        if self.n_first < len(self.trials):
            low, high = scored.min(), scored.max()
            luck = forgiven(self.n_first).correct - scored[:, self.base]
            scored[:, self.n_first :] = np.clip(scored[:, self.n_first :] + luck[:, None], low, high)
        return forgiven(len(self.trials))

    def _best_expected(self, totals: Floats) -> Ints:
        """From summed contributions, shape (b, m), to the best of the first m trials once priors are added."""
        prior = np.array([trial.prior for trial in self.trials[: totals.shape[1]]])
        prior = prior * self.metric.span(self.problem.n_classes)
        return np.asarray(np.argmax(np.round(totals + PRIOR_EXAMPLES * prior, 9), axis=1))

    def _best(self) -> int:
        """The best expected score so far."""
        return int(self._best_expected(self._criterion().sum(axis=0, keepdims=True))[0])

    def _criterion(self) -> Floats:
        """What each example adds to the score of each trial, shape (n, n_trials)."""
        return np.stack([self._comparable(trial) for trial in self.trials], axis=1)

    def _comparable(self, trial: Trial) -> Floats:
        """What each example adds to the score, shape (n,), as if on many folds.

        What is trained was made from fewer examples than a probe on many folds. So its gain over a probe on the same
        few folds is added to what that probe scores on many.
        """
        if not trial.recipe.is_trained:
            return np.asarray(self._contributions(trial).mean(axis=0))
        probe = next(each for each in self.trials if each.on_few is not None)
        gain = self._contributions(trial)[0] - self._contributions(probe, on_few=True)[0]
        return np.asarray(self._contributions(probe).mean(axis=0) + gain)

    def _contributions(self, trial: Trial, on_few: bool = False) -> Floats:
        return trial.contributions(self.metric, self.problem.targets, on_few)

    def _trial(
        self, recipe: Recipe | Ensemble, prior: float, scores: Floats, start: float, on_few: Floats | None = None
    ) -> Trial:
        """A recipe that was tried since `start`, its scores calibrated if the metric reads probabilities."""
        read = readable(scores, self.metric, self.problem.targets, self.folds.of(recipe.is_trained))
        few_read = None if on_few is None else readable(on_few, self.metric, self.problem.targets, self.folds.few)
        return Trial(recipe, prior, scores, read, time.perf_counter() - start, on_few, few_read)

    def _trained(self, candidate: Candidate, probe: Trial) -> list[Trial]:
        """One trial; none where the training fails: no time, a loss that is no number, a disk that is full."""
        try:
            return self._raced(candidate, probe)
        except JobError as failure:
            self.given_up.append(f"{candidate.recipe.brief()}: {failure.what}; what was tried before stands")
            return []

    def _raced(self, candidate: Candidate, probe: Trial) -> list[Trial]:
        """A look after a few folds, then the others; nothing where the budget ends or the look is discouraging."""
        recipe, few, budget = candidate.recipe.members[0], self.folds.few, self.problem.budget
        n_folds, start = int(few.max()) + 1, time.perf_counter()
        if not budget.allows(LOOK * recipe.adapt.seconds(len(self.problem.targets))):
            self.n_skipped += 1
            return []
        settled, looked = candidate.recipe.out_of_fold(self.problem, np.where(few < LOOK, few, -1))
        rounds = [math.ceil(n / n_at_once(n, self.problem.jobs)) for n in (LOOK, n_folds - LOOK) if n > 0]
        each = (time.perf_counter() - start) / rounds[0]  # round of folds side by side
        after = f"{recipe.brief()}, after {count(LOOK, 'fold')} of {n_folds}"
        if not budget.allows(each * (1 + sum(rounds[1:]))):  # the refit, and the others
            self.given_up.append(f"{after}: the budget would not last")
            return []
        budget.spend()
        if self._is_hopeless(looked, probe):
            self.given_up.append(f"{after}: clearly worse than the best probe")
            return []
        budget.reserve(each)  # for its refit, which takes about as long
        scores = looked
        if n_folds > LOOK:
            try:
                settled, rest = settled.out_of_fold(self.problem, np.where(few >= LOOK, few, -1))
            except JobError:
                budget.reserve(-each)
                raise
            scores = np.where(few[..., None] < LOOK, looked, rest)
        trial = self._trial(settled, candidate.prior, scores, start)
        self.trials.append(trial)
        return [trial]

    def _distil(self, offered: Sequence[Recipe], exact: Sequence[Trial]) -> None:
        """The best so far, if it is several that vote, teaches one network, which is one more trial."""
        teacher = self.trials[self._best()]
        for candidate in distilled(teacher.recipe, teacher.prior, offered):
            found = self._trained(candidate, self.trials[self.base])
            if found and self.trials[self.base].on_few is None:  # nothing else was trained
                self._also_on_few([*exact, teacher])

    def _is_hopeless(self, looked: Floats, probe: Trial) -> bool:
        """Whether scores on a few folds lie so far behind a probe that no luck would bring them back."""
        seen = self.folds.few[0] < LOOK
        targets = self.problem.targets[seen]
        read = readable(looked[:, seen], self.metric, targets, self.folds.few[:, seen])
        alone, of_probe = (contributions_of(each, self.metric, targets) for each in (read, probe.read[:, seen]))
        behind = of_probe.mean(axis=0) - alone[0]
        least = HOPELESS * self.metric.span(self.problem.n_classes)
        return bool(behind.mean() - 2 * behind.std() / np.sqrt(len(behind)) > least)

    def _also_on_few(self, exact: Sequence[Trial]) -> None:
        """Predict these on the few folds too; what then is known of them takes the place of what was."""
        for trial in exact:
            _, scores = trial.recipe.out_of_fold(self.problem, self.folds.few)
            read = readable(scores, self.metric, self.problem.targets, self.folds.few)
            self.trials[next(at for at, each in enumerate(self.trials) if each is trial)] = replace(
                trial, on_few=scores, few_read=read
            )

    def _voted(self, ensemble: Ensemble, prior: float, trials: Sequence[Trial]) -> Trial:
        """An ensemble from the scores that its members already have."""
        start = time.perf_counter()
        members = [next(each for each in trials if each.recipe == member) for member in ensemble.members]
        on_few = [each.few for each in members if each.few is not None]
        scores = on_few if ensemble.is_trained else [each.scores for each in members]
        ensemble = ensemble.weighted(scores, self.problem.targets)
        compared = ensemble.total(on_few) if on_few and not ensemble.is_trained else None
        return self._trial(ensemble, prior, ensemble.total(scores), start, compared)

    def _expected_seconds(self, candidate: Candidate) -> float:
        """What trying it will take: features, and by what the last one took, a decomposition (small^2 x large)."""
        if not isinstance(candidate.recipe.members[0].adapt, Probe):
            return 0.0  # exact, and cheaper than any probe
        last = self.trials[-1]
        seconds = last.seconds * self._work(candidate.recipe) / max(self._work(last.recipe), 1)
        recipe = candidate.recipe.members[0]
        if recipe.backbone == self.problem.backbone.name:
            return seconds
        n_views = len(views_of(recipe.augment))
        return seconds + SECONDS_A_VIEW * len(self.problem.targets) * n_views / WITH_REFIT

    def _work(self, tried: Recipe | Ensemble) -> int:
        recipe = tried.members[0]
        probe = recipe.adapt
        assert isinstance(probe, Probe)  # noqa: S101 - nothing else is tried before the last of them
        columns = self.problem.backbones[recipe.backbone].columns(probe.layers)
        n_rows = len(self.problem.targets) * len(probe.views)
        small, large = sorted((n_rows, sum(column.stop - column.start for column in columns)))
        return int(small**2 * large)


def expected_best(
    candidates: Sequence[Candidate], problem: Problem, policies: Mapping[Policy, float] | None = None
) -> Recipe | Ensemble:
    """The recipe to take when there is nothing to validate on: the one that usually does best.

    What is made from the best probe takes part if it is exact; what is trained must be seen to help.

    Args:
        candidates: Probes.
        problem: Says what else applies.
        policies: As for `select`.
    """
    best = max(candidates, key=lambda candidate: candidate.prior)
    offered = [] if policies is None else partners(best.recipe.members[0], problem, policies)
    more = [Candidate(recipe, best.prior + kind.alone) for recipe, kind in offered if not recipe.is_trained]
    return max((best, *more), key=lambda candidate: candidate.prior).recipe
