"""Finds the constants of an ant, then the weights of its reward and its limit of health."""


def fit(self, observations, actions, rewards, next_observations, terminated):
    rows = ~terminated
    robot = find_robot(Spatial, self.read, self.seen, observations[rows], actions[rows], next_observations[rows])
    self.body, self.duration = Spatial(robot), robot.timestep * robot.frame_skip
    q, _ = self.body.simulate(*self.read(observations), actions)
    forward = self.body.latest[0][0, 3, 0] / self.duration
    parts = {"healthy_reward": np.ones(len(q)), "ctrl_cost_weight": -(actions * actions).sum(1)}
    fit_weights(parts, rewards - forward)
    fit_least_height(np.where(terminated, q[:, 2], next_observations[:, 0]), terminated)


Environment.fit = fit
