"""Gymnasium's MuJoCo environments, version 4, on a current MuJoCo.

Every environment is Gymnasium's own; only ``returns``, which an oracle calls for millions of steps, goes past Gymnasium
and steps MuJoCo itself. What it needs to know of an environment are its reward and its end, a few lines per class.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import mujoco
import numpy as np
from gymnasium import spaces, utils
from gymnasium.envs.mujoco import MujocoEnv
from gymnasium.envs.mujoco.pusher_v4 import DEFAULT_CAMERA_CONFIG, PusherEnv
from numpy.typing import NDArray

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.machine import cores
from cwmb.types import Floats
from cwmb.worlds.base import GymnasiumSimulator
from cwmb.worlds.constants import Constant, Values
from cwmb.worlds.fields import put
from cwmb.worlds.simulator import Snapshot

# All that the dynamics depend on, the solver's warm start included.
STATE = mujoco.mjtState.mjSTATE_INTEGRATION

Controls = NDArray[np.float32]


class MujocoSimulator(GymnasiumSimulator):
    """An environment whose observation begins with the positions, but for the first few, and the velocities.

    unseen: how many leading positions (the place on the ground, which nothing depends on) the observation leaves out.
    contact_forces: whether the reward needs the external forces on the bodies, which a step does not compute by itself.
    state_is_seen: whether positions and velocities stand in the observation as they are (but for fast ones' clipping).
    fastest: above which seen velocities are clipped.
    threads: how many plans ``returns`` runs at a time; the result does not depend on it.
    """

    unseen: ClassVar[int] = 0
    state_is_seen: ClassVar[bool] = True
    fastest: ClassVar[float] = math.inf
    contact_forces: ClassVar[bool] = False
    threads = cores()

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._spare: list[Any] = []  # simulation data of the threads
        self._reward_scale = 1.0  # of a world whose reward has no weights
        super().__init__(spec)

    def _build(self, entry_point: Any, kwargs: dict[str, Any]) -> Any:
        env = super()._build(entry_point, kwargs)
        use_mujoco_2_slide_weights(env.model)
        return env

    def _apply(self, varying: Sequence[Constant], values: Values) -> None:
        for constant in varying:
            put(self.env, constant.field, values[constant.name])
        # On data of its own: the environment's are at its start, which it is made with.
        mujoco.mj_setConst(self.env.model, mujoco.MjData(self.env.model))
        use_mujoco_2_slide_weights(self.env.model)
        self._reward_scale = getattr(self.env, "_reward_scale", 1.0)

    def step(self, action: Floats) -> tuple[Floats, float, bool, bool]:
        """Returns (observation [D], reward, terminated, truncated) after an action [A]."""
        observation, reward, terminated, truncated = super().step(action)
        return observation, reward * self._reward_scale, terminated, truncated

    def _restore(self, observation: Floats) -> None:
        mujoco.mj_resetData(self.env.model, self.env.data)
        self.env.set_state(*self._positions_and_velocities(observation))

    def _positions_and_velocities(self, observation: Floats) -> tuple[Floats, Floats]:
        seen, nv = self.env.model.nq - self.unseen, self.env.model.nv
        return np.concatenate([np.zeros(self.unseen), observation[:seen]]), observation[seen : seen + nv]

    def snapshot(self) -> Snapshot:
        """(steps so far, integration state, xpos, xipos).

        The body positions xpos and xipos belong to it: after a step they lag one substep behind the state, and the
        next reward of some environments is a difference to them.
        """
        model, data = self.env.model, self.env.data
        state = np.empty(mujoco.mj_stateSize(model, STATE))
        mujoco.mj_getState(model, data, state, STATE)
        return self._elapsed, state, data.xpos.copy(), data.xipos.copy()

    def load(self, snapshot: Snapshot, rng: np.random.Generator | None = None) -> None:
        """Return to a snapshot, exact to the last bit; rng does not matter."""
        self._elapsed = snapshot[0]
        _load(self.env.model, self.env.data, snapshot)

    def returns(self, snapshot: Snapshot, actions: Floats) -> Floats:
        """Sums of rewards [K] of K open-loop plans [K, H, A] from the snapshot, each ended at termination.

        Equal to loading and stepping, to the last bit. MuJoCo releases the interpreter's lock while it steps, so plans
        run on all cores, each thread with simulation data of its own.
        """
        controls = np.asarray(actions, dtype=np.float32)
        totals = np.zeros(len(controls))

        while len(self._spare) < self.threads:
            self._spare.append(mujoco.MjData(self.env.model))  # costs milliseconds, as much as many short plans

        def run(first: int) -> None:
            for k in range(first, len(controls), self.threads):
                totals[k] = self._return(self._spare[first], snapshot, controls[k])

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(run, range(self.threads)))
        return totals

    def _return(self, data: Any, snapshot: Snapshot, controls: Controls) -> float:
        """Sum of rewards of one plan [H, A]."""
        model, frame_skip, ctrl = self.env.model, self.env.frame_skip, data.ctrl
        measured, ended = self._measured(data), self._ended(data)
        records = [np.empty((len(controls) + 1, view.size)) for view in measured]
        watched = list(zip(records, measured, strict=True))
        _load(model, data, snapshot)
        for record, view in watched:
            record[0] = view
        steps = 0
        for control in controls:
            ctrl[:] = control
            mujoco.mj_step(model, data, frame_skip)
            if self.contact_forces:
                mujoco.mj_rnePostConstraint(model, data)
            steps += 1
            for record, view in watched:
                record[steps] = view
            if ended():
                break
        rewards = self._rewards(controls[:steps], *(record[: steps + 1] for record in records)) * self._reward_scale
        return float(np.cumsum(rewards)[-1])  # added in the order of time, as a caller of step adds them

    def leap(self, observation: Floats, action: Floats) -> tuple[Floats, float, bool]:
        """(observation [at most D], reward, terminated) one step from what an observation tells.

        Equal to restoring and stepping, to the last bit, but faster: of the observation afterwards only the positions
        and velocities with which it begins. Only where ``state_is_seen``.
        """
        model, data = self.env.model, self.env.data
        mujoco.mj_resetData(model, data)
        data.qpos[:], data.qvel[:] = self._positions_and_velocities(observation)
        mujoco.mj_forward(model, data)
        measured, control = self._measured(data), np.asarray(action, dtype=np.float32)
        before = [view.copy() for view in measured]
        data.ctrl[:] = control
        mujoco.mj_step(model, data, self.env.frame_skip)
        if self.contact_forces:
            mujoco.mj_rnePostConstraint(model, data)
        records = (np.stack(pair) for pair in zip(before, measured, strict=True))
        (reward,) = self._rewards(control[None], *records) * self._reward_scale
        seen = np.concatenate([data.qpos[self.unseen :], np.clip(data.qvel, -self.fastest, self.fastest)])
        return seen, float(reward), self._ended(data)()

    def _measured(self, data: Any) -> tuple[Floats, ...]:
        """Views [M] of those simulation data that the reward is computed from."""
        return ()

    def _ended(self, data: Any) -> Callable[[], bool]:
        """A function that tells whether the data are in a terminal state."""
        return lambda: False

    def _rewards(self, controls: Controls, *measured: Floats) -> Floats:
        """Rewards [T] of T steps with the actions [T, A]; measured before the first and after every step, [T + 1, M].

        In Gymnasium's order of operations and with its precision, so that the last bit agrees.
        """
        raise NotImplementedError


def use_mujoco_2_slide_weights(model: Any) -> None:
    """Give bodies that only slide in the world the inverse weights that MuJoCo 2 computed for them.

    MuJoCo 3 takes such a weight from the mass alone. MuJoCo 2 counted the joint's armature too, and averaged the body's
    weight over the three axes. These weights scale the regularisation of contacts and limits: Pusher's object has a
    mass of 1e-8 behind an armature of 0.04, so that contacts with it would be millions of times softer or harder.
    """
    for body in range(1, model.nbody):
        first, count = model.body_dofadr[body], model.body_dofnum[body]
        dofs = slice(first, first + count)
        slides = np.all(model.jnt_type[model.dof_jntid[dofs]] == mujoco.mjtJoint.mjJNT_SLIDE)
        alone = model.body_parentid[body] == 0 and model.body_subtreemass[body] == model.body_mass[body]
        if count and slides and alone:
            weights = 1 / (model.body_mass[body] + model.dof_armature[dofs])
            model.dof_invweight0[dofs] = weights
            model.body_invweight0[body, 0] = weights.sum() / 3


def _load(model: Any, data: Any, snapshot: Snapshot) -> None:
    _, state, xpos, xipos = snapshot
    mujoco.mj_setState(model, data, state, STATE)
    data.xpos[:] = xpos  # no mj_forward: it would bring the lagging positions up to date
    data.xipos[:] = xipos


def _effort(controls: NDArray[Any]) -> NDArray[Any]:
    """Squared norms [T] of actions [T, A], in their own precision."""
    return np.asarray(np.sum(np.square(controls), axis=-1))


class InvertedPendulum(MujocoSimulator):
    """The observation is the state."""

    def _ended(self, data: Any) -> Callable[[], bool]:
        qpos, qvel = data.qpos, data.qvel
        return lambda: abs(qpos[1]) > 0.2 or not all(map(math.isfinite, (*qpos.tolist(), *qvel.tolist())))

    def _rewards(self, controls: Controls, *measured: Floats) -> Floats:
        return np.ones(len(controls))


class InvertedDoublePendulum(MujocoSimulator):
    """The observation holds sines and cosines of both angles, velocities clipped at ±10, and constraint forces."""

    state_is_seen = False

    def _positions_and_velocities(self, observation: Floats) -> tuple[Floats, Floats]:
        x, sin1, sin2, cos1, cos2 = observation[:5]
        return np.array([x, np.arctan2(sin1, cos1), np.arctan2(sin2, cos2)]), observation[5:8]

    def _measured(self, data: Any) -> tuple[Floats, ...]:
        return data.site_xpos[0], data.qvel[1:3]

    def _ended(self, data: Any) -> Callable[[], bool]:
        tip = data.site_xpos[0]
        return lambda: bool(tip[2] <= 1)

    def _rewards(self, controls: Controls, *measured: Floats) -> Floats:
        # Plain floats: the power of a number and of an array's element may differ in the last bit.
        tips, velocities = (rows[1:].tolist() for rows in measured)
        return np.array(
            [
                10 - (0.01 * x**2 + (y - 2) ** 2) - (1e-3 * v1**2 + 5e-3 * v2**2)
                for (x, _, y), (v1, v2) in zip(tips, velocities, strict=True)
            ]
        )


class _Runner(MujocoSimulator):
    """Something that is paid for moving along x and charged for its effort."""

    unseen = 1

    def _measured(self, data: Any) -> tuple[Floats, ...]:
        return (data.qpos[:1],)

    def _rewards(self, controls: Controls, *measured: Floats) -> Floats:
        env, (x,) = self.env, measured[0].T
        return np.asarray(
            env._forward_reward_weight * (np.diff(x) / env.dt) - env._ctrl_cost_weight * _effort(controls)
        )


class HalfCheetah(_Runner):
    """Everything but the x position is seen."""


class Swimmer(_Runner):
    """Everything but the position in the plane is seen."""

    unseen = 2


class _Hopping(_Runner):
    """A runner that falls: alive, and paid for it, only within ranges of height and angle."""

    fastest = 10.0

    def _ended(self, data: Any) -> Callable[[], bool]:
        qpos = data.qpos
        (low_z, high_z), (low_angle, high_angle) = self.env._healthy_z_range, self.env._healthy_angle_range
        return lambda: not (low_z < qpos[1] < high_z and low_angle < qpos[2] < high_angle)

    def _rewards(self, controls: Controls, *measured: Floats) -> Floats:
        env, (x,) = self.env, measured[0].T
        forward = env._forward_reward_weight * (np.diff(x) / env.dt)
        return np.asarray(forward + env._healthy_reward - env._ctrl_cost_weight * _effort(controls))


class Walker2d(_Hopping):
    """Everything but the x position is seen; velocities are clipped at ±10."""


class Hopper(_Hopping):
    """Everything but the x position is seen; velocities are clipped at ±10."""

    def _ended(self, data: Any) -> Callable[[], bool]:
        fallen, qpos, qvel = super()._ended(data), data.qpos, data.qvel
        low, high = self.env._healthy_state_range
        return lambda: fallen() or not all(low < x < high for x in (*qpos.tolist()[2:], *qvel.tolist()))


class Ant(MujocoSimulator):
    """Everything but the position in the plane is seen."""

    unseen = 2

    def _measured(self, data: Any) -> tuple[Floats, ...]:
        return (data.body("torso").xpos[:1],)

    def _ended(self, data: Any) -> Callable[[], bool]:
        qpos, qvel = data.qpos, data.qvel
        low, high = self.env._healthy_z_range
        return lambda: not (low <= qpos[2] <= high and all(map(math.isfinite, (*qpos.tolist(), *qvel.tolist()))))

    def _rewards(self, controls: Controls, *measured: Floats) -> Floats:
        env, (x,) = self.env, measured[0].T
        return np.asarray(np.diff(x) / env.dt + env._healthy_reward - env._ctrl_cost_weight * _effort(controls))


class Humanoid(MujocoSimulator):
    """Everything but the position in the plane is seen."""

    unseen = 2

    def _measured(self, data: Any) -> tuple[Floats, ...]:
        return (data.xipos.reshape(-1),)

    def _ended(self, data: Any) -> Callable[[], bool]:
        qpos = data.qpos
        low, high = self.env._healthy_z_range
        return lambda: not low < qpos[2] < high

    def _rewards(self, controls: Controls, *measured: Floats) -> Floats:
        env, mass = self.env, self.env.model.body_mass
        bodies = measured[0].reshape(len(measured[0]), -1, 3)
        x = np.einsum("b,tbj->tj", mass, bodies)[:, 0] / mass.sum()
        forward = env._forward_reward_weight * (np.diff(x) / env.dt)
        # MuJoCo keeps the controls, from which Gymnasium takes this cost, as float64.
        return np.asarray(forward + env._healthy_reward - env._ctrl_cost_weight * _effort(controls.astype(np.float64)))


class HumanoidStandup(MujocoSimulator):
    """Everything but the position in the plane is seen."""

    unseen = 2
    contact_forces = True

    def _measured(self, data: Any) -> tuple[Floats, ...]:
        return data.qpos[2:3], data.cfrc_ext.reshape(-1)

    def _rewards(self, controls: Controls, *measured: Floats) -> Floats:
        (height,), forces = measured[0][1:].T, measured[1][1:]
        impact = np.minimum(0.5e-6 * np.sum(np.square(forces), axis=-1), 10)
        effort = 0.1 * _effort(controls.astype(np.float64))
        return np.asarray(height / self.env.model.opt.timestep - effort - impact + 1)


class Reacher(MujocoSimulator):
    """The observation holds cosines and sines of both angles, target, angular velocities, and fingertip − target."""

    state_is_seen = False

    def _restore(self, observation: Floats) -> None:
        super()._restore(observation)
        data = self.env.data
        # The reward is taken from body positions before the step: those that the observation shows.
        data.body("fingertip").xpos[:] = data.body("target").xpos + observation[8:11]

    def _positions_and_velocities(self, observation: Floats) -> tuple[Floats, Floats]:
        cos1, cos2, sin1, sin2, target_x, target_y, velocity1, velocity2 = observation[:8]
        positions = np.array([np.arctan2(sin1, cos1), np.arctan2(sin2, cos2), target_x, target_y])
        return positions, np.array([velocity1, velocity2, 0.0, 0.0])

    def _measured(self, data: Any) -> tuple[Floats, ...]:
        return data.body("fingertip").xpos, data.body("target").xpos

    def _rewards(self, controls: Controls, *measured: Floats) -> Floats:
        fingertip, target = (rows[:-1] for rows in measured)
        return np.asarray(-_norms(fingertip - target) - _effort(controls))


class Pusher(MujocoSimulator):
    """The observation holds the arm's joints and where fingertip, object and goal are, not how the object moves."""

    state_is_seen = False

    def _build(self, entry_point: Any, kwargs: dict[str, Any]) -> Any:
        return super()._build(_Pusher, kwargs)

    def _restore(self, observation: Floats) -> None:
        super()._restore(observation)
        # The reward is taken from body positions before the step: those that the observation shows.
        for name, start in (("tips_arm", 14), ("object", 17), ("goal", 20)):
            self.env.data.body(name).xpos[:] = observation[start : start + 3]

    def _positions_and_velocities(self, observation: Floats) -> tuple[Floats, Floats]:
        model = self.env.model
        # The model's slide joints come in the order y, x.
        object_slides = (observation[17:19] - model.body("object").pos[:2])[::-1]
        goal_slides = (observation[20:22] - model.body("goal").pos[:2])[::-1]
        positions = np.concatenate([observation[:7], object_slides, goal_slides])
        return positions, np.concatenate([observation[7:14], np.zeros(4)])

    def _measured(self, data: Any) -> tuple[Floats, ...]:
        return data.body("tips_arm").xpos, data.body("object").xpos, data.body("goal").xpos

    def _rewards(self, controls: Controls, *measured: Floats) -> Floats:
        tip, thing, goal = (rows[:-1] for rows in measured)
        return np.asarray(-_norms(thing - goal) - 0.1 * _effort(controls) - 0.5 * _norms(thing - tip))


def _norms(vectors: Floats) -> Floats:
    """Lengths [T] of vectors [T, 3], with the dot product that numpy's norm of one vector takes."""
    return np.asarray(np.sqrt(np.vecdot(vectors, vectors)))


class _Pusher(PusherEnv):
    """Gymnasium's own Pusher-v4 but for its constructor, which refuses to run on MuJoCo 3.

    It refuses because the object is lighter there; use_mujoco_2_slide_weights puts that right.
    """

    def __init__(self, **kwargs: Any) -> None:
        utils.EzPickle.__init__(self, **kwargs)
        MujocoEnv.__init__(
            self,
            "pusher.xml",
            5,
            observation_space=spaces.Box(-np.inf, np.inf, (23,), np.float64),
            default_camera_config=DEFAULT_CAMERA_CONFIG,
            **kwargs,
        )
