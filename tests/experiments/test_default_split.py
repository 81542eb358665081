"""experiments/default_split.py: families are not torn apart, and what was looked at does not judge."""

import pytest


@pytest.fixture(scope="module")
def module(load_script):
    return load_script("default_split")


def test_a_family_is_on_one_side(module):
    for families, sides in (
        (module.imagenet_families(), module.imagenet_sides()),
        (module.CIFAR10_TOP1_FAMILIES, module.cifar10_top1_sides()),
    ):
        for members in families.values():
            assert len({sides[member] for member in members}) == 1
        assert set(sides.values()) == {"choosing", "judging"}
    assert len(module.imagenet_sides()) == 60
    assert len(module.cifar10_top1_sides()) == 22


def test_what_was_looked_at_does_not_judge(module):
    sides = module.imagenet_sides()
    families = module.imagenet_families()
    judging = {family for family, members in families.items() if sides[members[0]] == "judging"}
    assert judging == {"DenseNet", "DPN", "Fisher vectors"}
    assert all(sides[name] == "choosing" for name in module.LOOKED_AT)


def test_the_seed_draws(module):
    families = {f"family {i}": (f"member {i}",) for i in range(20)}
    drawn = [module.draw_sides(families, 0.5, fixed=["family 3"], seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(sides["family 3"] == "choosing" for sides in drawn)
    # A half of the 19 free ones, rounded down, and the fixed one.
    assert sum(side == "choosing" for side in drawn[0].values()) == 10
