"""Finds an acrobot's constants. Many masses and lengths move alike: any of them will do."""


def fit(self, observations, actions, rewards, next_observations, terminated):
    self.REWARD, self.GOAL_REWARD = usual(rewards[~terminated]), usual(rewards[terminated])
    self.MAX_SPEED_1, self.MAX_SPEED_2 = (bound(np.abs(next_observations[~terminated, i])) for i in (4, 5))
    speeds = np.abs(next_observations[:, 4:])
    free = ~terminated & (speeds < (1 - 1e-6) * np.array([self.MAX_SPEED_1, self.MAX_SPEED_2])).all(axis=1)
    names = ("GRAVITY", "MASS_1", "MASS_2", "LENGTH", "CENTRE_1", "CENTRE_2", "INERTIA", "TORQUE", "DT")
    ranges = {name: RANGES[name] for name in names}
    rows = np.flatnonzero(free)[:200]
    adjust(self, ranges, observations[rows], actions[rows], next_observations[rows], starts=3)
    following = one_step(self, observations, actions)[0]
    cos1, sin1, cos2, sin2 = following[:, :4].T
    (self.GOAL_HEIGHT,) = limits((-cos1 - (cos1 * cos2 - sin1 * sin2))[:, None], terminated)


Environment.fit = fit
