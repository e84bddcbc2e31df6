"""Decides as Application Auto Scaling and CloudWatch do for terraform/modules/service/scaling.tf.

Pure decisions; ``tasks.py`` acts on them. AWS documents the cooldowns, not the alarms that it
creates: three minutes above the target, fifteen below nine tenths of it, each a minute long.
https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-autoscaling-targettracking.html
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

PERIOD: Final = 60  # s, of a datapoint and between two evaluations of an alarm
HIGH: Final = 3  # datapoints in a row
LOW: Final = 15  # datapoints in a row
WAKE: Final = 2  # datapoints in a row
SLACK: Final = 0.9  # of the target; below it, the alarm for scaling in counts

# AWS scales in "more gradually" than in proportion and does not say how. Assumed: this share of the
# tasks in an activity. 1 is in proportion.
GRADUAL: Final = 0.1

# One per minute, oldest first. None: no task and no message; infinite: messages, but no task.
Datapoints = Sequence[float | None]


@dataclass
class TargetTracking:
    """A target tracking policy and what it remembers of its last activities. Times are in s.

    An activity lasts until the tasks that it asked for run; the cooldown begins then.
    """

    target: float
    minimum: int
    maximum: int
    scale_out_cooldown: float
    scale_in_cooldown: float
    gradual: float = GRADUAL
    _starting: bool = False
    _out_at: float = -math.inf
    _in_at: float = -math.inf
    _before: int = 0  # the desired count before the activity that began the cooldown

    def desired(self, now: float, datapoints: Datapoints, current: int, running: int) -> int:
        """Return the desired number of tasks, which is ``current`` unless an alarm is on."""
        if self._starting and running >= current:
            self._starting, self._out_at = False, now
        known = [each for each in datapoints if each is not None and each < math.inf]
        if len(known) >= HIGH and min(known[-HIGH:]) > self.target:
            return self._out(now, known[-1], current)
        if len(known) >= LOW and max(known[-LOW:]) < SLACK * self.target:
            return self._in(now, known[-1], current)
        return current

    def _out(self, now: float, metric: float, current: int) -> int:
        """Scale out in proportion. In the cooldown, what was added counts towards it."""
        cooling = self._starting or now < self._out_at + self.scale_out_cooldown
        base = self._before if cooling else current
        wanted = min(self.maximum, math.ceil(base * metric / self.target))
        if wanted <= current:
            return current
        if not cooling:
            self._before = current
        self._starting = True
        self._in_at = -math.inf  # scaling out ends the cooldown of scaling in
        return wanted

    def _in(self, now: float, metric: float, current: int) -> int:
        """Scale in towards the proportion, by a share of the tasks at most, once per cooldown."""
        if now < self._in_at + self.scale_in_cooldown:
            return current
        proportional = math.ceil(current * metric / self.target)
        gradual = current - max(1, math.floor(current * self.gradual))
        wanted = max(self.minimum, proportional, gradual)
        if wanted < current:
            self._in_at = now
        return min(wanted, current)


@dataclass
class Waking:
    """Target tracking, and the step policy that starts the first task of a service without one."""

    tracking: TargetTracking
    _woke_at: float = -math.inf

    def desired(self, now: float, datapoints: Datapoints, current: int, running: int) -> int:
        """Return the desired number: one more if messages waited without a task for two minutes."""
        asleep = len(datapoints) >= WAKE and set(datapoints[-WAKE:]) == {math.inf}
        if asleep and now >= self._woke_at + self.tracking.scale_in_cooldown:
            self._woke_at = now
            return current + 1
        return self.tracking.desired(now, datapoints, current, running)
