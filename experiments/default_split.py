"""Which classifiers a default similarity may be chosen on, and which judge it once.

The sides are drawn by architecture family, with a seed, and were committed before any choice:

* ImageNet, 60 classifiers (imagenet_zoo.toml): a family with a classifier that was looked at before is on the choosing
  side as a whole: the 30 that `imagenet_embedders.py` judged, and alexnet, inception_v3_tf and resnet_v2_152_tf. Of the
  families left, one in four (rounded) is drawn for the choosing side, the others judge. All families that judge had a
  part in choosing the settings of the embedder `diffusion`, which favours it.
* CIFAR-10, networks with probabilities: those with committed predictions and the published one of the label-errors
  repository choose; the networks of `confemb retrain retraining_cifar10`, which have other seeds, judge.
* CIFAR-10, 22 published classifiers' most probable class: half of the families (rounded down) choose.

    python experiments/default_split.py
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

SEED = 19
CHOOSING_SHARE = {"imagenet": 0.25, "cifar10_top1": 0.5}

# Families of `imagenet_embedders.py` on which nothing had been judged; ResNet is one of them.
NOT_JUDGED_BEFORE = ("DenseNet", "ResNet", "NASNet", "DPN", "Fisher vectors")
LOOKED_AT = ("alexnet", "inception_v3_tf", "resnet_v2_152_tf")

CIFAR10_CHOOSING = ("paper_cifar10", "fast_cifar10", "paper_cnn_cifar10", "cifar10_test_probs_label_errors")
CIFAR10_JUDGING = "retraining_cifar10"
CIFAR10_TOP1_FAMILIES = {
    "AlexNet": ("alexnet_tf_ben",),
    "DARC": ("darc",),
    "DenseNet": ("densenet_BC_100_12",),
    "NAS": ("nas",),
    "PyramidNet": ("pyramidnet_basic_110_84", "shake_drop"),
    "random features": ("random_features_256k_aug", "random_features_256k_no_aug", "random_features_32k_no_aug"),
    "ResNet": (
        "resnet_basic_110",
        "resnet_basic_32",
        "resnet_basic_56",
        "resnet_preact_basic_110",
        "resnet_preact_bottleneck_164",
    ),
    "ResNeXt": ("resnext_29_4x64d", "resnext_29_8x64d"),
    "Shake-Shake": ("shake_shake_26_2x64d_SSI", "shake_shake_26_2x64d_SSI_cutout16", "shake_shake_26_2x96d_SSI"),
    "VGG": ("vgg_15_BN_64",),
    "Wide ResNet": ("wide_resnet_tf", "wrn_28_10"),
}


def draw_sides(
    families: Mapping[str, Sequence[str]], share: float, *, fixed: Sequence[str] = (), seed: int = SEED
) -> dict[str, str]:
    """Return the side, "choosing" or "judging", of each family.

    Args:
        families: family -> its members.
        share: of the families that are free, how many choose.
        fixed: families on the choosing side whatever is drawn.
        seed: draws.
    """
    free = sorted(set(families) - set(fixed))
    drawn = np.random.default_rng(seed).permutation(len(free))[: round(share * len(free) - 1e-9)]
    choosing = {free[i] for i in drawn} | set(fixed)
    return {family: "choosing" if family in choosing else "judging" for family in families}


def imagenet_families() -> dict[str, tuple[str, ...]]:
    """Return the families of imagenet_zoo.toml; the two classifiers without one are a family each."""
    zoo = tomllib.loads((Path(__file__).parent / "imagenet_zoo.toml").read_text(encoding="utf-8"))
    families = {name: tuple(members) for name, members in zoo["families"].items()}
    return families | {"AlexNet": ("alexnet",), "SqueezeNet": ("squeezenet1_0",)}


def imagenet_sides() -> dict[str, str]:
    """Return the side of each of the 60 ImageNet classifiers."""
    families = imagenet_families()
    fixed = [
        name
        for name, members in families.items()
        if name not in NOT_JUDGED_BEFORE or any(member in LOOKED_AT for member in members)
    ]
    sides = draw_sides(families, CHOOSING_SHARE["imagenet"], fixed=fixed)
    return {member: sides[name] for name, members in families.items() for member in members}


def cifar10_top1_sides() -> dict[str, str]:
    """Return the side of each of the 22 published CIFAR-10 classifiers."""
    sides = draw_sides(CIFAR10_TOP1_FAMILIES, CHOOSING_SHARE["cifar10_top1"])
    return {member: sides[name] for name, members in CIFAR10_TOP1_FAMILIES.items() for member in members}


if __name__ == "__main__":
    print(json.dumps({"imagenet": imagenet_sides(), "cifar10_top1": cifar10_top1_sides()}, indent=1))
