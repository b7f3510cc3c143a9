"""The training step of `trainer train` in PyTorch eager, timed against ours. Called by scripts/compare-pytorch.

Written as one would write it well in PyTorch: autocast with its weight cache, channels-last memory, torch's own fused
Adam and foreach averaging, native leaky_relu. Networks, batch, losses and their intervals are those of the trainer's
configuration; only the linear modulation over summed parts is implemented, which is what the faces presets use.
"""

import argparse
import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

TOLERANCE = 1e-4
SLOPE = 0.2


def leaky(x):
    return F.leaky_relu(x, SLOPE)


class Mlp(nn.Module):
    def __init__(self, inputs, hidden, outputs):
        super().__init__()
        for i, (a, b) in enumerate([(inputs, hidden), (hidden, hidden), (hidden, outputs)]):
            self.add_module(str(i), nn.Linear(a, b))

    def forward(self, x):
        a, b, c = self.children()
        return c(leaky(b(leaky(a(x)))))


class KeypointGenerator(nn.Module):
    def __init__(self, arch):
        super().__init__()
        k, z, e, h = (arch[n] for n in ("keypoints", "latent", "embedding", "mlp_hidden"))
        self.pose, self.appearance, self.background = Mlp(z, h, 2 * k), Mlp(z, h, e), Mlp(z, h, e)
        self.part_constants = nn.Parameter(torch.randn(k, e))
        self.k, self.divisor = k, arch["keypoint_divisor"]

    def forward(self, pose, appearance, background):
        keypoints = (self.pose(pose) / self.divisor).tanh().view(-1, self.k, 2)
        embeddings = self.appearance(appearance).unsqueeze(1) * self.part_constants
        return keypoints, embeddings, self.background(background)


class Spade(nn.Module):
    def __init__(self, embedding, channels):
        super().__init__()
        self.style = nn.Parameter(torch.randn(1, embedding, 2 * channels) * 0.5 / embedding**0.5)
        self.bias = nn.Parameter(torch.cat([torch.ones(1, channels), torch.zeros(1, channels)], 1))
        self.norm = nn.Module()
        self.norm.register_buffer("running_mean", torch.zeros(channels))
        self.norm.register_buffer("running_var", torch.ones(channels))

    def forward(self, x, looks, maps):
        n, c, h, w = x.shape
        table = torch.cat([looks @ self.style[0], self.bias.to(x.dtype).expand(n, 1, -1)], 1)
        gamma, beta = (
            torch.bmm(maps, half.contiguous()).view(n, h, w, c).permute(0, 3, 1, 2) for half in table.chunk(2, 2)
        )
        mean, var = self.norm.running_mean, self.norm.running_var
        return torch.addcmul(beta, F.batch_norm(x, mean, var, training=True), gamma)


class Stage(nn.Module):
    def __init__(self, embedding, inputs, outputs):
        super().__init__()
        self.spade_in, self.conv_in = Spade(embedding, inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.spade_out, self.conv_out = Spade(embedding, outputs), nn.Conv2d(outputs, outputs, 3, padding=1)


def heat_maps(keypoints, tau, size):
    centres = (2 * torch.arange(size, device=keypoints.device) + 1) / size - 1
    column, row = ((-((centres - keypoints[..., i, None]) ** 2) / tau).exp() for i in (1, 0))
    return column.unsqueeze(3) * row.unsqueeze(2)


class ImageGenerator(nn.Module):
    def __init__(self, arch):
        super().__init__()
        widths, size = arch["generator_channels"], 4
        self.start, self.tau = nn.Parameter(torch.randn(1, widths[0], 4, 4)), arch["tau"]
        self.sizes = []
        for a, b in zip(widths, widths[1:]):
            size *= 2
            self.sizes.append(size)
            self.add_module(f"stage{size}", Stage(arch["embedding"], a, b))
        for size in trained_sizes(arch):
            self.add_module(f"to_rgb{size}", nn.Conv2d(widths[size.bit_length() - 3], 3, 3, padding=1))

    def forward(self, keypoints, embeddings, background, size, kind):
        n = len(keypoints)
        looks = torch.cat([embeddings, background.unsqueeze(1)], 1).to(kind)

        def maps_at(s):
            parts = heat_maps(keypoints, self.tau, s)
            maps = torch.cat([parts, 1 - parts.amax(1, keepdim=True), torch.ones_like(parts[:, :1])], 1)
            return maps.flatten(2).transpose(1, 2).to(kind).contiguous()

        maps = maps_at(4)
        x = self.start.to(kind).expand(n, -1, -1, -1).contiguous(memory_format=torch.channels_last)
        for s in [s for s in self.sizes if s <= size]:
            stage = getattr(self, f"stage{s}")
            x = stage.conv_in(leaky(stage.spade_in(x, looks, maps)))
            x = F.interpolate(x, scale_factor=2, mode="bilinear")
            maps = maps_at(s)
            x = stage.conv_out(leaky(stage.spade_out(x, looks, maps)))
        return getattr(self, f"to_rgb{size}")(leaky(x)).float().tanh()


class Block(nn.Module):
    def __init__(self, inputs, outputs, refine):
        super().__init__()
        self.down = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.refine = nn.Conv2d(outputs, outputs, 3, padding=1) if refine else None

    def forward(self, x):
        x = leaky(self.down(x))
        return (x + leaky(self.refine(x))) * 0.5**0.5 if self.refine is not None else x


class Discriminator(nn.Module):
    def __init__(self, arch):
        super().__init__()
        widths = arch["discriminator_channels"]
        width = lambda size: widths[size.bit_length() - 3]
        for size in trained_sizes(arch):
            self.add_module(f"from_rgb{size}", nn.Conv2d(3, width(size), 3, padding=1))
        self.sizes, size = [], arch["image_size"]
        while size > 4:
            self.sizes.append(size)
            self.add_module(f"block{size}", Block(width(size), width(size // 2), size <= 32))
            size //= 2
        c = width(4)
        self.head = nn.Conv2d(c + 1, c, 3, padding=1)
        self.hidden, self.logit = nn.Linear(c * 16, c), nn.Linear(c, 1)

    def forward(self, images):
        size = images.shape[2]
        x = leaky(getattr(self, f"from_rgb{size}")(images.contiguous(memory_format=torch.channels_last)))
        for s in [s for s in self.sizes if s <= size]:
            x = getattr(self, f"block{s}")(x)
        x = torch.cat([x, deviation(x)], 1)
        x = leaky(self.head(x)).float().contiguous().flatten(1)
        with torch.autocast(x.device.type, enabled=False):
            return self.logit(leaky(self.hidden(x))).squeeze(1)


def deviation(x):
    n, c, h, w = x.shape
    group = 8 if n % 8 == 0 else n
    y = x.float().reshape(group, n // group, c, h, w)
    y = ((y - y.mean(0, keepdim=True)).square().mean(0) + 1e-8).sqrt().mean([1, 2, 3], keepdim=True)
    return y.repeat(group, 1, h, w).to(x.dtype)


def trained_sizes(arch):
    sizes = [arch["first_size"]]
    while sizes[-1] < arch["image_size"]:
        sizes.append(sizes[-1] * 2)
    return sizes


def augment(x, strength):
    if strength == 0:
        return x
    signed = lambda: torch.rand(len(x), 1, 1, 1, device=x.device) * 2 - 1
    x = x + signed() * (strength * 0.5)
    grey = x.mean(1, keepdim=True)
    x = (x - grey) * (signed() * strength + 1) + grey
    level = x.mean([1, 2, 3], keepdim=True)
    return (x - level) * (signed() * (strength * 0.5) + 1) + level


class Training:
    """One network pair with what it takes to train it."""

    def __init__(self, config, size, device):
        self.config, self.size, self.device = config, size, torch.device(device)
        arch, gan = config["architecture"], config["gan"]
        make = lambda net: net.to(self.device).to(memory_format=torch.channels_last)
        self.keypoints, self.images = make(KeypointGenerator(arch)), make(ImageGenerator(arch))
        self.discriminator = make(Discriminator(arch))
        self.generators = nn.ModuleList([self.keypoints, self.images])
        self.average = copy.deepcopy(self.generators).requires_grad_(False)
        self.live = [p.detach() for p in self.generators.parameters()]
        self.averaged = list(self.average.parameters())
        self.buffers = list(zip(self.average.buffers(), self.generators.buffers()))
        adam = lambda net, learning_rate: torch.optim.Adam(net.parameters(), learning_rate, tuple(gan["betas"]), fused=True)
        self.generator_adam = adam(self.generators, gan["generator_learning_rate"])
        self.discriminator_adam = adam(self.discriminator, gan["discriminator_learning_rate"])
        self.kind = {"bf16": torch.bfloat16, "fp32": torch.float32}[config["precision"]]
        self.images_seen = 0

    def autocast(self):
        return torch.autocast(self.device.type, self.kind, enabled=self.kind != torch.float32)

    def step(self, real, number):
        gan, arch = self.config["gan"], self.config["architecture"]
        n, z, strength = len(real), arch["latent"], gan["augment"]["colour"]
        twice = round(n * gan["background"]["fraction"])
        noise = [torch.randn(n, z, device=self.device) for _ in range(3)]
        keypoints, embeddings, background = self.keypoints(*noise)
        other = self.keypoints.background(torch.randn(twice, z, device=self.device))
        again = lambda t: torch.cat([t, t[:twice]])
        with self.autocast():
            images = self.images(
                again(keypoints), again(embeddings), torch.cat([background, other]), self.size, self.kind
            )
        fake = images[:n]

        with self.autocast():
            real_logits = self.discriminator(augment(real, strength))
            fake_logits = self.discriminator(augment(fake.detach(), strength))
        of_discriminator = F.softplus(fake_logits).mean() + F.softplus(-real_logits).mean()
        total = of_discriminator
        if number % gan["r1"]["every"] == 0 and gan["r1"]["weight"] > 0:
            shown = augment(real, strength).detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(self.discriminator(shown).sum(), shown, create_graph=True)
            total = total + slope.square().sum([1, 2, 3]).mean() * (0.5 * gan["r1"]["weight"] * gan["r1"]["every"])
        self.discriminator_adam.zero_grad(set_to_none=True)
        total.backward()
        self.discriminator_adam.step()

        self.discriminator.requires_grad_(False)
        with self.autocast():
            logits = self.discriminator(augment(fake, strength))
        adversarial = F.softplus(-logits).mean()
        maps = heat_maps(keypoints[:twice].detach(), arch["tau"] * gan["background"]["reach"], self.size)
        parts = maps.amax(1, keepdim=True)
        behind = ((images[:twice] - images[n:]) * parts).square().mean()
        self.generator_adam.zero_grad(set_to_none=True)
        (adversarial + behind * gan["background"]["weight"]).backward()
        self.generator_adam.step()
        self.discriminator.requires_grad_(True)

        self.images_seen += n
        half_life = min(gan["ema_half_life"], self.images_seen * 0.05)
        with torch.no_grad():
            torch._foreach_lerp_(self.averaged, self.live, 1 - 0.5 ** (n / half_life))
            for average, live in self.buffers:
                average.copy_(live)
        return torch.stack([of_discriminator.detach(), adversarial.detach(), behind.detach()]).tolist()

    def run(self, real, steps):
        """Seconds by the clock, and of processor time."""
        period = self.config["gan"]["r1"]["every"]
        began, cpu = time.perf_counter(), time.process_time()
        for i in range(steps):
            losses = self.step(real, period + 1 + i)
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        assert all(x == x for x in losses), losses
        return time.perf_counter() - began, time.process_time() - cpu


def check_equality(reference, training):
    """The same weights must give the same outputs; returns the largest difference of each."""
    tensors = load_file(reference)
    under = lambda prefix: {n[len(prefix):]: t for n, t in tensors.items() if n.startswith(prefix)}
    training.keypoints.load_state_dict(under("generator/keypoints."))
    training.images.load_state_dict(under("generator/images."))
    training.discriminator.load_state_dict(under("discriminator/"))
    want = under("reference/")
    with torch.no_grad():
        keypoints, embeddings, background = training.keypoints(
            *(want[f"noise/{part}"] for part in ("pose", "appearance", "background"))
        )
        image = training.images(keypoints, embeddings, background, training.size, torch.float32)
        got = {
            "keypoints": keypoints,
            "embeddings": embeddings,
            "background": background,
            "image": image,
            "logits": training.discriminator(image),
        }
    differences = {name: (x - want[name]).abs().max().item() for name, x in got.items()}
    for name, difference in differences.items():
        if difference > TOLERANCE:
            sys.exit(f"compare-pytorch: error: {name} differs by {difference:.1e}, allowed is {TOLERANCE}: not the same network")
    return differences


def main():
    parser = argparse.ArgumentParser(prog="compare-pytorch", description="Times our training step against PyTorch eager.")
    parser.add_argument("--trainer", required=True)
    parser.add_argument("--preset", default="faces64-edge")
    parser.add_argument("--size", type=int, action="append", help="may be repeated; default: the preset's largest")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=5, help="each: ours, then PyTorch (default 5)")
    parser.add_argument("--steps", type=int, help="in a round (default: R1's interval)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    sizes = args.size or [None]
    rows = [compare(args, size) for size in sizes]
    if args.json:
        print(json.dumps({"schema": "compare-pytorch-1", "torch": torch.__version__, "rows": rows}, indent=2))
        return
    print(f"PyTorch {torch.__version__} eager against ours, {args.preset}, {args.device}, {args.threads} threads; median of {args.rounds} rounds in turn (least to most)")
    print(f"{'size':>5}{'batch':>6}{'parameters':>12}{'ours, images/s':>26}{'PyTorch, images/s':>26}{'ratio':>22}{'by processor time':>20}")
    for r in rows:
        spread = lambda v: f"{statistics.median(v):.2f} ({min(v):.2f} to {max(v):.2f})"
        print(
            f"{r['size']:>5}{r['batch']:>6}{r['parameters']:>12}{spread(r['ours']):>26}{spread(r['pytorch']):>26}"
            f"{spread(r['ratios']):>22}{statistics.median(r['cpu_ratios']):>20.2f}"
        )
        worst = max(r["differences"].values())
        print(f"      same parameters and outputs: largest difference {worst:.1e} from the same weights in float32")


def ours(args, size, *more, device=None):
    command = [args.trainer, "bench", "--row", "--preset", args.preset, "--threads", str(args.threads)]
    command += ["--device", device or args.device, "--size", str(size), "--repeats", "1", *more]
    for setting in [*BARE, *args.set]:
        command += ["--set", setting]
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
    if output.returncode != 0:
        sys.exit(f"compare-pytorch: error: the trainer ended with {output.returncode}")
    return output.stdout


def compare(args, size):
    plan = subprocess.run([args.trainer, "presets", args.preset, "--json"], stdout=subprocess.PIPE, check=True).stdout
    config = json.loads(plan)
    size = size or config["architecture"]["image_size"]
    probe = json.loads(ours(args, size, "--steps", "1"))
    config = probe["config"]
    check_supported(config)
    training = Training(config, size, "cpu")
    with tempfile.TemporaryDirectory() as folder:
        reference = os.path.join(folder, "reference.safetensors")
        # A GPU's convolutions round to 10 bits of fraction: whether the networks are the same shows on the processor.
        ours(args, size, "--reference", reference, device="cpu")
        differences = check_equality(reference, training)
    parameters = sum(n["parameters"] for n in probe["networks"])
    nets = (training.generators, training.discriminator)
    rival = sum(p.numel() for net in nets for p in net.parameters())
    if rival != parameters:
        sys.exit(f"compare-pytorch: error: {rival} parameters in PyTorch, {parameters} in ours")
    if args.device != "cpu":
        training = Training(config, size, args.device)
    batch, steps = config["gan"]["batch"], args.steps or config["gan"]["r1"]["every"]
    real = torch.rand(batch, 3, size, size, device=training.device) * 2 - 1
    training.step(real, 1)
    training.step(real, config["gan"]["r1"]["every"])
    row = {"size": size, "batch": batch, "parameters": parameters, "differences": differences, "steps": steps}
    row.update(ours=[], pytorch=[], ratios=[], cpu_ratios=[])
    for i in range(args.rounds):
        print(f"{size} px, round {i + 1} of {args.rounds}", file=sys.stderr)
        mine = json.loads(ours(args, size, "--steps", str(steps)))
        seconds, cpu = training.run(real, steps)
        row["ours"].append(mine["images_per_second"][0])
        row["pytorch"].append(batch * steps / seconds)
        row["ratios"].append(row["ours"][-1] / row["pytorch"][-1])
        row["cpu_ratios"].append(cpu / mine["cpu_seconds"][0])
    return row


# What a preset has and the PyTorch side has not: compared is the plain step, adversarial, R1 and background losses.
OFF = [
    "gan.augment.translation", "gan.augment.cutout", "gan.keypoint_discriminator.weight",
    "gan.appearance_discriminator.weight", "gan.feature_discriminator.weight", "gan.cycle.keypoints_weight",
    "gan.cycle.embeddings_weight", "gan.reconstruction.image_weight", "gan.reconstruction.perceptual_weight",
    "gan.feature_matching.weight", "gan.diversity.weight", "gan.equivariance.weight",
    "gan.generator_equivariance.weight", "gan.move.weight", "gan.move.rest_weight",
]
BARE = [*(f"{key}=0.0" for key in OFF), "gan.norm_group=0", "keypoints.images=0"]


def value(config, key):
    for part in key.split("."):
        config = config[part]
    return config


def check_supported(config):
    arch = config["architecture"]
    plain = {"image_generator": "spade", "style_map": "sum", "modulation": "linear", "shortcut": False, "keypoint_generator": "product"}
    wrong = [f"architecture.{k}={arch[k]}" for k, v in plain.items() if arch.get(k, v) != v]
    plain = {**{key: 0 for key in OFF}, "gan.background.every": 1, "gan.norm_group": 0}
    wrong += [f"{k}={value(config, k)}" for k, v in plain.items() if value(config, k) != v]
    if wrong:
        sys.exit(f"compare-pytorch: error: the PyTorch side has no {', '.join(wrong)}: name another preset, or override with --set")


if __name__ == "__main__":
    main()
