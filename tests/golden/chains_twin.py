"""The samplers of `sample` once more, in double precision, by the formulas of their papers, for Bayesian linear regression, whose
posterior is known. Noise comes from Philox by its address, as include/credence/rng.h says. tests/cli/sample_test.py compares."""
import numpy as np

WEIGHT, CHAIN, CHAIN_START, CHAIN_ACCEPT = 1, 12, 13, 14
TURN = 0.1931833275037836


def philox(counters, seed):
    """Philox4x32-10 of counters[n][4] (Salmon et al. 2011)."""
    c = np.array(counters, np.uint64).T
    key = [seed & 0xffffffff, seed >> 32]
    low, shift = np.uint64(0xffffffff), np.uint64(32)
    for _ in range(10):
        first, second = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = np.array([(second >> shift) ^ c[1] ^ np.uint64(key[0]), second & low, (first >> shift) ^ c[3] ^ np.uint64(key[1]), first & low])
        key = [(key[0] + 0x9E3779B9) & 0xffffffff, (key[1] + 0xBB67AE85) & 0xffffffff]
    return c.T


def normals(n, seed, draw, image, tensor, purpose):
    blocks = -(-n // 64)
    words = philox([[i, draw, image, tensor << 8 | purpose] for i in range(16 * blocks)], seed).astype(float)
    radius = np.sqrt(-2 * np.log((words[:, [0, 2]] + 0.5) / 2**32))
    angle = 2 * np.pi * words[:, [1, 3]] / 2**32
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 2) # counter, pair, which
    return pairs.reshape(blocks, 16, 4).transpose(0, 2, 1).reshape(-1)[:n]


class Chain:
    """Of weights[n_in] and a bias: y = w x + b + noise, all with prior N(0, prior_sd^2). A chain's options as of the command."""

    def __init__(self, x, y, number, noise_sd, start_sd, temperature=1, seed=0, prior_sd=1):
        self.a, self.y = np.column_stack([x, np.ones(len(x))]).astype(float), y.astype(float)
        self.noise_sd, self.prior_sd, self.t, self.number, self.seed = noise_sd, prior_sd, temperature, number, seed
        self.n = self.a.shape[1]
        self.precision = self.a.T @ self.a / noise_sd**2 + np.eye(self.n) / prior_sd**2
        self.mean = np.linalg.solve(self.precision, self.a.T @ self.y / noise_sd**2)
        self.w = start_sd * np.concatenate([normals(self.n - 1, seed, number, 0, 0, WEIGHT), normals(1, seed, number, 0, 1, WEIGHT)])

    def noise(self, step, purpose=CHAIN):
        return np.concatenate([normals(self.n - 1, self.seed, step, self.number, 0, purpose),
                               normals(1, self.seed, step, self.number, 1, purpose)])

    def u(self):
        rest = self.y - self.a @ self.w
        return (0.5 * rest @ rest / self.noise_sd**2 + 0.5 * self.w @ self.w / self.prior_sd**2 +
                self.n * (np.log(self.prior_sd) + 0.5 * np.log(2 * np.pi)))

    def g(self):
        return self.precision @ (self.w - self.mean)

    def langevin(self, n_steps, size, momentum=0, rms_steps=0, cycle=0, exploration=0):
        m, e = np.zeros(self.n), np.zeros(self.n)
        for k in range(n_steps):
            s, noisy = size, True
            if cycle:
                s, noisy = size / 2 * (np.cos(np.pi * (k % cycle) / cycle) + 1), k % cycle >= exploration * cycle
            g = self.g()
            if k < rms_steps:
                e = 0.99 * e + 0.01 * g**2
            mass = np.sqrt(e) + 1e-7 if rms_steps else np.ones(self.n)
            m = momentum * m - np.sqrt(s) * g + noisy * np.sqrt(2 * (1 - momentum) * self.t * mass) * self.noise(k)
            self.w = self.w + np.sqrt(s) * m / mass
            yield self.w

    def hmc(self, n_steps, size, n_leapfrog, target=0, burn_in=0):
        log_average = error = 0
        s = size
        for k in range(n_steps):
            before, p = self.w, self.noise(k)
            h = self.u() / self.t + p @ p / 2
            for _ in range(n_leapfrog):
                p = p - s / 2 * self.g() / self.t
                self.w = self.w + s * p
                p = p - s / 2 * self.g() / self.t
            accept = min(1, np.exp(h - self.u() / self.t - p @ p / 2))
            uniform = (float(philox([[0, k, self.number, CHAIN_ACCEPT]], self.seed)[0, 0]) + 0.5) / 2**32
            if not uniform < accept:
                self.w = before
            if k < burn_in and target: # Hoffman and Gelman 2014, algorithm 5
                error = (1 - 1 / (k + 11)) * error + (target - accept) / (k + 11)
                log_step = np.log(10 * size) - np.sqrt(k + 1) / 0.05 * error
                log_average = (k + 1)**-0.75 * log_step + (1 - (k + 1)**-0.75) * log_average
                s = np.exp(log_step if k + 1 < burn_in else log_average)
            yield self.w

    def turn(self, u, time):
        """Steeg and Galstyan 2021; the direction afterwards and the change of the kinetic energy."""
        g, d = -self.g() / self.t, self.n - 1
        e, delta = g / np.linalg.norm(g), time * np.linalg.norm(g) / d
        z, c = np.exp(-delta), u @ e
        new = e * (1 - z) * (1 + z + c * (1 - z)) + 2 * z * u
        return new / np.linalg.norm(new), d * (delta - np.log(2) + np.log(1 + c + (1 - c) * z**2))

    def isokinetic(self, u, s):
        change = -self.u() / self.t
        for turn, drift in ((TURN, 0.5), (1 - 2 * TURN, 0.5), (TURN, 0)):
            u, kinetic = self.turn(u, turn * s)
            self.w = self.w + drift * s * u
            change += kinetic
        return u, change + self.u() / self.t

    def mclmc(self, n_steps, size, length, variance=0, burn_in=0):
        u = self.noise(0, CHAIN_START)
        u, s, average, weight = u / np.linalg.norm(u), size, 0, 0
        for k in range(n_steps):
            u, change = self.isokinetic(u, s)
            nu = np.sqrt(np.expm1(2 * s / length) / self.n)
            u = u + nu * self.noise(k)
            u /= np.linalg.norm(u)
            if k < burn_in and variance: # blackjax, mclmc_adaptation.py
                xi = change**2 / (self.n * variance * (5 - 4 * k / burn_in)) + 1e-8
                w = np.exp(-0.5 * (np.log(xi) / (6 * 1.5))**2)
                average, weight = 99 / 101 * average + w * xi / s**6, 99 / 101 * weight + w
                s = (average / weight)**(-1 / 6)
            yield self.w

    def smile(self, n_steps, size, burn_in):
        """SMILE-T's: normal quantiles of 0.98, 1 - 0.2 / 3, 0.1 / 3."""
        u, s, mean, sd = np.zeros(self.n), size, 0, 0
        for k in range(n_steps):
            before, time = self.w, k + 1
            u, change = self.isokinetic(u, s)
            change = abs(change)
            if time >= 10:
                shape, scale = mean**2 / (sd**2 + 1e-6), (sd**2 + 1e-6) / mean
                reset, high, low = (scale * shape * (1 - 1 / (9 * shape) + z / (3 * np.sqrt(shape)))**3
                                    for z in (2.053748910631822, 1.5010859460440247, -1.8339146358159142))
                if k < burn_in:
                    s *= 0.98 if change > high else 1.02 if change < low else 1
                if change > reset:
                    self.w, u = before, np.zeros(self.n)
            mean = np.clip(change if time < 3 else 0.99 * mean + 0.01 * change, 1e-6, 1e6)
            variance = 0.99 * sd**2 * (time != 1) + 0.01 * (change - mean)**2
            sd = np.clip(np.sqrt(variance / (1 if time < 5 else 1 - 0.5**(time - 4))), 1e-6, 1e7)
            yield self.w
