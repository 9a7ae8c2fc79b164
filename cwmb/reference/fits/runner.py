"""Finds the constants of a planar robot, then the weights of its reward and its limits of health."""


def fit(self, observations, actions, rewards, next_observations, terminated):
    # A speed that is cut off leaves the rest of the step open.
    whole = (np.abs(observations[:, self.count - self.unseen :]) < TASK["max_speed"]).all(1)
    rows = ~terminated & whole
    robot = find_robot(Planar, self.read, self.seen, observations[rows], actions[rows], next_observations[rows])
    self.body, self.duration = Planar(robot), robot.timestep * robot.frame_skip
    q, v = self.read(observations)
    after = self.body.simulate(q, v, actions)
    parts = {
        "forward_reward_weight": (after[0] - q)[:, 0] / self.duration,
        "ctrl_cost_weight": -(actions * actions).sum(1),
        "healthy_reward": np.ones(len(q)),
    }
    fit_weights({name: part[whole] for name, part in parts.items()}, rewards[whole])
    for place, seen in zip(after, self.read(next_observations)):
        place[~terminated, self.unseen :] = seen[~terminated, self.unseen :]
    known = whole | ~terminated
    fit_health(self, *(place[known] for place in after), terminated[known])


def fit_health(self, q, v, terminated):
    """The limits of health, from where the robot gets and whether that is the end."""
    seen = {"healthy_z_range": q[:, self.unseen], "healthy_angle_range": q[:, self.unseen + 1]}
    ends = {name: name.split() for name in RANGES if name.startswith(("low", "high"))}
    if not ends:
        return
    for side, field in ends.values():
        low, high = TASK[field[1:]]
        TASK[field[1:]] = (-np.inf, high) if side == "low" else (low, np.inf)
    left = ~self.ended(q, v)  # where no other limit ends the episode
    sizes = [seen[field[1:]] * (-1 if side == "low" else 1) for side, field in ends.values()]
    for (side, field), limit in zip(ends.values(), limits(np.stack(sizes, axis=1)[left], terminated[left])):
        low, high = TASK[field[1:]]
        TASK[field[1:]] = (-limit, high) if side == "low" else (low, limit)


Environment.fit = fit
