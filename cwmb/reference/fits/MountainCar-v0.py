"""Finds a mountain car's constants: wall and greatest speed are where the recorded values stop."""


def fit(self, observations, actions, rewards, next_observations, terminated):
    self.REWARD, self.GOAL_REWARD = usual(rewards[~terminated]), usual(rewards[terminated])
    position, velocity = next_observations[~terminated].T
    self.MAX_SPEED, self.LEFT = bound(np.abs(velocity)), -bound(-position)
    free = ~terminated & (np.abs(next_observations[:, 1]) < self.MAX_SPEED * (1 - 1e-6))
    free &= next_observations[:, 0] > self.LEFT + 1e-6
    ranges = {name: RANGES[name] for name in ("FORCE", "GRAVITY")}
    adjust(self, ranges, observations[free], actions[free], next_observations[free])
    position, velocity = one_step(self, observations, actions)[0].T
    least, slowest = position[terminated].min(), velocity[terminated].min()
    short, slow = position[~terminated & (velocity >= slowest)], velocity[~terminated & (position >= least)]
    self.GOAL = roundest(max(short, default=least), least)
    self.GOAL_VELOCITY = roundest(max(slow, default=slowest), slowest)


Environment.fit = fit
