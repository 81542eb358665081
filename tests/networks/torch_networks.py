"""ResNet and VGG in plain PyTorch, under torchvision's names: what confemb's networks are compared with.

    python tests/classifiers/torch_networks.py

writes `reference_activations.json` anew.
"""

import json

import torch
from torch import nn

PLANS = {"resnet18": ((2, 2, 2, 2), False), "resnet50": ((3, 4, 6, 3), True)}
VGG16 = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")


class Block(nn.Module):
    def __init__(self, inputs, width, bottleneck, stride, stride_in_1x1, conv_bias, epsilon):
        super().__init__()
        outputs = 4 * width if bottleneck else width
        if bottleneck:
            strides = (stride, 1, 1) if stride_in_1x1 else (1, stride, 1)
            plan = zip((inputs, width, width), (width, width, outputs), (1, 3, 1), strides, strict=True)
        else:
            plan = [(inputs, width, 3, stride), (width, outputs, 3, 1)]
        self.count = 0
        for number, (ins, outs, size, step) in enumerate(plan, start=1):
            self.add_module(f"conv{number}", nn.Conv2d(ins, outs, size, step, size // 2, bias=conv_bias))
            self.add_module(f"bn{number}", nn.BatchNorm2d(outs, eps=epsilon))
            self.count = number
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=conv_bias), nn.BatchNorm2d(outputs, eps=epsilon)
            )

    def forward(self, x):
        y = x
        for number in range(1, self.count + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            if number < self.count:
                y = y.relu()
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class ResNet(nn.Module):
    def __init__(self, name, classes, stride_in_1x1=False, conv_bias=False, epsilon=1e-5):
        super().__init__()
        blocks, bottleneck = PLANS[name]
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=conv_bias)
        self.bn1 = nn.BatchNorm2d(64, eps=epsilon)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs = 64
        for stage, count in enumerate(blocks):
            made = []
            for index in range(count):
                stride = 2 if stage and not index else 1
                width = 64 * 2**stage
                made.append(Block(inputs, width, bottleneck, stride, stride_in_1x1, conv_bias, epsilon))
                inputs = 4 * width if bottleneck else width
            self.add_module(f"layer{stage + 1}", nn.Sequential(*made))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        found = {"stem": self.maxpool(self.bn1(self.conv1(x)).relu())}
        x = found["stem"]
        for stage in range(1, 5):
            x = found[f"stage{stage}"] = getattr(self, f"layer{stage}")(x)
        found["avg_pool"] = x.mean((2, 3))
        return found | {"logits": self.fc(found["avg_pool"])}


class Vgg(nn.Module):
    def __init__(self, classes, size):
        super().__init__()
        layers, inputs = [], 3
        for width in VGG16:
            if width == "M":
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(inputs, width, 3, 1, 1), nn.ReLU()]
                inputs = width
        self.features = nn.Sequential(*layers)
        hidden = [nn.Linear((size // 32) ** 2 * inputs, 4096), nn.ReLU(), nn.Dropout()]
        hidden += [nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, classes)]
        self.classifier = nn.Sequential(*hidden)

    def forward(self, x):
        found = {}
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                found[f"stage{len(found) + 1}"] = x
        x = x.flatten(1)
        for number, layer in enumerate(self.classifier):
            x = layer(x)
            if number in (1, 4):
                found["fc1" if number == 1 else "fc2"] = x
        return found | {"logits": x}


def activations(case, classes, draw, images):
    """Return name -> activations, with the channels last, of a case's network, its weights drawn by `draw`."""
    vgg = case.classifier == "vgg16"
    network = Vgg(classes, case.size) if vgg else ResNet(case.classifier, classes, **case.options)
    # PyTorch counts batches in training; that is no weight.
    state = {k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    drawn = {name: torch.tensor(array) for name, array in draw({k: tuple(v.shape) for k, v in state.items()}).items()}
    missing, left_over = network.load_state_dict(drawn, strict=False)
    assert not left_over
    assert all(name.endswith("num_batches_tracked") for name in missing)
    with torch.inference_mode():
        found = network.eval()(torch.tensor(images).permute(0, 3, 1, 2))
    return {name: (x.permute(0, 2, 3, 1) if x.ndim == 4 else x).numpy() for name, x in found.items()}


def main():
    import reference

    kept = {}
    for name, case in reference.CASES.items():
        images = reference.random_input(case.size)
        found = activations(case, reference.CLASSES, reference.random_state_dict, images)
        kept[name] = {layer: reference.kept(array) for layer, array in found.items()}
    lines = [
        f'"{name}": {{\n' + ",\n".join(f'"{layer}": {json.dumps(values)}' for layer, values in layers.items()) + "\n}"
        for name, layers in kept.items()
    ]
    reference.ACTIVATIONS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
