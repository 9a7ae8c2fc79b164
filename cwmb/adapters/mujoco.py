"""Gymnasium's MuJoCo environments, version 4, on a current MuJoCo."""

from __future__ import annotations

from typing import Any, ClassVar

import mujoco
import numpy as np
from gymnasium import spaces, utils
from gymnasium.envs.mujoco import MujocoEnv
from gymnasium.envs.mujoco.pusher_v4 import DEFAULT_CAMERA_CONFIG, PusherEnv

from cwmb.adapters.base import GymnasiumSimulator
from cwmb.simulator import Snapshot
from cwmb.types import Floats

# All that the dynamics depend on, the solver's warm start included.
STATE = mujoco.mjtState.mjSTATE_INTEGRATION


class MujocoSimulator(GymnasiumSimulator):
    """An environment whose observation begins with the positions, but for the first few, and the velocities.

    unseen: how many leading positions (the place on the ground, which nothing depends on) the observation leaves out.
    """

    unseen: ClassVar[int] = 0

    def _build(self, entry_point: Any, kwargs: dict[str, Any]) -> Any:
        env = super()._build(entry_point, kwargs)
        use_mujoco_2_slide_weights(env.model)
        return env

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


class InvertedPendulum(MujocoSimulator):
    """The observation is the state."""


class HalfCheetah(MujocoSimulator):
    """Everything but the x position is seen."""

    unseen = 1


class Hopper(MujocoSimulator):
    """Everything but the x position is seen; velocities are clipped at ±10."""

    unseen = 1


class Walker2d(MujocoSimulator):
    """Everything but the x position is seen; velocities are clipped at ±10."""

    unseen = 1


class Swimmer(MujocoSimulator):
    """Everything but the position in the plane is seen."""

    unseen = 2


class Ant(MujocoSimulator):
    """Everything but the position in the plane is seen; contact forces are not."""

    unseen = 2


class Humanoid(MujocoSimulator):
    """Everything but the position in the plane is seen."""

    unseen = 2


class HumanoidStandup(MujocoSimulator):
    """Everything but the position in the plane is seen."""

    unseen = 2


class InvertedDoublePendulum(MujocoSimulator):
    """The observation holds sines and cosines of both angles, velocities clipped at ±10, and constraint forces."""

    def _positions_and_velocities(self, observation: Floats) -> tuple[Floats, Floats]:
        x, sin1, sin2, cos1, cos2 = observation[:5]
        return np.array([x, np.arctan2(sin1, cos1), np.arctan2(sin2, cos2)]), observation[5:8]


class Reacher(MujocoSimulator):
    """The observation holds cosines and sines of both angles, target, angular velocities, and fingertip − target."""

    def _restore(self, observation: Floats) -> None:
        super()._restore(observation)
        data = self.env.data
        # The reward is taken from body positions before the step: those that the observation shows.
        data.body("fingertip").xpos[:] = data.body("target").xpos + observation[8:11]

    def _positions_and_velocities(self, observation: Floats) -> tuple[Floats, Floats]:
        cos1, cos2, sin1, sin2, target_x, target_y, velocity1, velocity2 = observation[:8]
        positions = np.array([np.arctan2(sin1, cos1), np.arctan2(sin2, cos2), target_x, target_y])
        return positions, np.array([velocity1, velocity2, 0.0, 0.0])


class Pusher(MujocoSimulator):
    """The observation holds the arm's joints and where fingertip, object and goal are, not how the object moves."""

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
