"""What follows from the masses of a robot that stands freely in space."""


def weighed(robot):
    """A robot with the inverse weights that follow from its masses, every joint at its reference."""
    body = Spatial(robot)
    q = np.array([[0, 0, 0, 1, 0, 0, 0, *(joint.reference for joint in body.hinges)]], dtype=float)
    poses = body.poses(q)
    motions = body.motions(poses)
    inverse = np.linalg.inv(body.inertia(poses, motions, np.zeros((1, body.dofs)))[0][0])
    hinges = [joint._replace(weight=inverse[6 + i, 6 + i]) for i, joint in enumerate(body.hinges)]
    bodies = []
    for part, (frame, pose) in zip(body.bodies, body.places):
        x, y, z = compose(poses[:, :, [frame]], placed(pose, part.centre)[:, :, None, None])[:, 3, 0, 0]
        across = np.array([[0, z, -y], [-z, 0, x], [y, -x, 0]])  # how the place moves with a turn about the origin
        moves = (motions[3:, :, 0] + across @ motions[:3, :, 0]) * body.carried[frame]
        bodies.append(part._replace(weight=np.trace(moves @ inverse @ moves.T) / 3))
    return robot._replace(joints=[body.joints[0], *hinges], bodies=bodies)
