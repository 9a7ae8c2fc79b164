"""Finds the constants of a humanoid, then those of its reward and its limit of health.

Positions and velocities, which stand first in an observation, tell them all; the rest follows.
"""


def fit(self, observations, actions, rewards, next_observations, terminated):
    size, rows = 2 * self.body.dofs - 1, ~terminated
    before, after = observations[rows, :size], next_observations[rows, :size]
    robot = find_robot(Spatial, self.read, moving, before, actions[rows], after)
    self.body, self.duration = Spatial(robot), robot.timestep * robot.frame_skip
    start = self.body.centre(self.body.poses(self.read(observations)[0]))[0]
    if TASK["stands_up"]:
        TASK["reward_scale"] = 1.0
        TASK["reward_scale"] = float(np.median(rewards / self.step_many(observations, actions)[1]))
        return
    q, _ = self.body.simulate(*self.read(observations), actions)
    parts = {
        "forward_reward_weight": (self.body.left_behind()[0][0] - start) / self.duration,
        "ctrl_cost_weight": -(actions * actions).sum(1),
        "healthy_reward": np.ones(len(q)),
    }
    fit_weights(parts, rewards)
    fit_least_height(np.where(terminated, q[:, 2], next_observations[:, 0]), terminated)


def moving(q, v):
    return np.concatenate((q[:, 2:], v), 1)


Environment.fit = fit
