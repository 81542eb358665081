"""confemb's two CNNs for small pictures in PyTorch, channels last, with all that a training step of theirs does.

Written for speed: pictures are augmented as a batch, a moving average is one call over all parameters, and the local
response normalisation is also there as a product with a banded matrix, which is twice as fast as PyTorch's own.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from confemb.networks.training.options import TrainingOptions


class LocalResponseNorm(nn.Module):
    """Depth radius 4, alpha 0.001 / 9, beta 0.75: PyTorch's own, or by a banded matrix and square roots."""

    def __init__(self, *, banded: bool) -> None:
        super().__init__()
        self.banded = banded
        channel = torch.arange(64)
        self.register_buffer("band", ((channel[:, None] - channel).abs() <= 4).float())

    def forward(self, x: Tensor) -> Tensor:
        if not self.banded:
            # It divides alpha by the number of channels itself.
            return functional.local_response_norm(x, 9, alpha=0.001, beta=0.75, k=1.0)
        last = x.permute(0, 2, 3, 1)
        root = (1 + 0.001 / 9 * (last * last @ self.band)).rsqrt()
        return (last * (root * root.sqrt())).permute(0, 3, 1, 2)


class PaperCnn(nn.Sequential):
    """As `confemb.networks.paper_cnn`; bias and rectifier come before the pooling, as PyTorch's layers have it."""

    def __init__(self, *, banded: bool) -> None:
        def pool() -> list[nn.Module]:
            return [nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(3, 2)]

        def norm() -> nn.Module:
            return LocalResponseNorm(banded=banded)

        super().__init__(
            nn.Conv2d(3, 64, 5, padding=2),
            nn.ReLU(),
            *pool(),
            norm(),
            nn.Conv2d(64, 64, 5, padding=2),
            nn.ReLU(),
            norm(),
            *pool(),
            nn.Flatten(),
            nn.Linear(6 * 6 * 64, 384),
            nn.ReLU(),
            nn.Linear(384, 192),
            nn.ReLU(),
            nn.Linear(192, 10),
        )

    def augment(self, images: Tensor) -> Tensor:
        """Crop, mirror, change brightness and contrast, standardise: (N, 3, 32, 32) uint8 -> (N, 3, 24, 24)."""
        x = mirror(crop(images, 24)).float()
        x = x + torch.empty(len(x), 1, 1, 1).uniform_(-63, 63)
        mean = x.mean((2, 3), keepdim=True)
        x = (x - mean) * torch.empty(len(x), 1, 1, 1).uniform_(0.2, 1.8) + mean
        return self.standardise(x)

    def prepare(self, images: Tensor) -> Tensor:
        return self.standardise(images[:, :, 4:28, 4:28].float())

    def standardise(self, x: Tensor) -> Tensor:
        deviation, mean = torch.std_mean(x, (1, 2, 3), correction=0, keepdim=True)
        return ((x - mean) / deviation.clamp(min=1728**-0.5)).contiguous(memory_format=torch.channels_last)


class FastCnn(nn.Module):
    """As `confemb.networks.fast_cnn`, with batch normalisation over the whole batch."""

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128)) -> None:
        super().__init__()
        self.whitening = nn.Conv2d(3, 24, 2)
        self.whitening.weight.requires_grad_(False)
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        inputs = 24
        for width in widths:
            for block_inputs in (inputs, width):
                self.convs.append(nn.Conv2d(block_inputs, width, 3, padding=1, bias=False))
                norm = nn.BatchNorm2d(width, momentum=0.05)
                norm.weight.requires_grad_(False)
                self.norms.append(norm)
            inputs = width
        self.head = nn.Linear(inputs, 10, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.gelu(self.whitening(x), approximate="tanh")
        for number, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = conv(x)
            if number % 2 == 0:
                x = functional.max_pool2d(x, 2)
            x = functional.gelu(norm(x), approximate="tanh")
        return self.head(x.amax((2, 3))) / 9

    def augment(self, images: Tensor) -> Tensor:
        """Normalise, mirror, shift by up to 2 pixels: (N, 3, 32, 32) uint8 -> the same shape in float32."""
        x = functional.pad(mirror(self.prepare(images)), (2, 2, 2, 2), mode="reflect")
        return crop(x, 32).contiguous(memory_format=torch.channels_last)

    def prepare(self, images: Tensor) -> Tensor:
        return ((images.float() / 255 - 0.47) / 0.25).contiguous(memory_format=torch.channels_last)


def crop(images: Tensor, size: int) -> Tensor:
    """Cut a window of `size` a side out of each picture of (N, C, H, W), at a place of its own."""
    rows = torch.randint(0, images.shape[2] - size + 1, (len(images), 1)) + torch.arange(size)
    columns = torch.randint(0, images.shape[3] - size + 1, (len(images), 1)) + torch.arange(size)
    which = torch.arange(len(images))[:, None, None]
    return images.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)


def mirror(images: Tensor) -> Tensor:
    """Mirror each picture with probability one half."""
    return torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images)


def trainer(network: nn.Module, images: Tensor, labels: Tensor, settings: TrainingOptions) -> Callable[[Tensor], None]:
    """Return a training step: rows of a batch -> None, with confemb's optimiser, moving average and measurements."""
    network.to(memory_format=torch.channels_last)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    kernels = [parameter for parameter in trained if parameter.ndim > 1]
    biases = [parameter for parameter in trained if parameter.ndim == 1]
    optimiser = torch.optim.SGD(
        [{"params": kernels, "weight_decay": settings.weight_decay}, {"params": biases}],
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
    )
    average = [parameter.detach().clone() for parameter in trained]
    totals = torch.zeros(2)

    def step(rows: Tensor) -> None:
        inputs, targets = network.augment(images[rows]), labels[rows]
        logits = network(inputs)
        loss = functional.cross_entropy(logits, targets, label_smoothing=settings.label_smoothing)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            totals.add_(torch.stack([loss, (logits.argmax(1) == targets).float().mean()]))
            if settings.ema_decay is not None:
                torch._foreach_lerp_(average, trained, 1 - settings.ema_decay)

    return step
