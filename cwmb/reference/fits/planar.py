"""What follows from the masses of a robot that moves in a plane."""


def weighed(robot):
    """A robot with the inverse weights that follow from its masses, every joint at its reference."""
    body = Planar(robot)
    q = np.array([[joint.reference for joint in body.joints]])
    inverse = np.linalg.inv(body.forward(q, 0 * q, 0 * q, 0 * q)[1][0])
    moves = np.exp(q @ body.phases + body.phase)[0]
    joints = [joint._replace(weight=inverse[i, i]) for i, joint in enumerate(body.joints)]
    bodies = []
    for part, frame in zip(body.bodies, body.places):
        row = (frame.point(body.flat(part.centre))[1] * moves) @ body.turning
        bodies.append(part._replace(weight=(row @ inverse @ row.conj()).real / 3))
    return robot._replace(bodies=bodies, joints=joints)
