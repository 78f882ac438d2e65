"""Opens the files of interop_files with h5py, netCDF4, xarray (both engines) and ncdump, and compares every
value with what was written. Usage: read_files.py PROGRAM"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

try:
    import h5netcdf  # noqa: F401 (xarray's engine)
    import h5py
    import netCDF4
    import numpy as np
    import xarray
except ImportError as error:
    print(f"skipped: {error}; needs python3-h5py, -h5netcdf, -netcdf4, -numpy, -xarray")
    sys.exit(77)

ENGINES = ("netcdf4", "h5netcdf")
N_IMAGES, N_CLASSES, N_DRAWS, N_TOP, SKIPPED = 4, 10, 6, 3, 2
IMAGES = ["a/dog.jpg", "a/dog.jpg", "Zürich ?.jpg", ""]
CLASSES = ["tench", "goldfish", "great white shark", "café", "a_b", "tench", "", "h", "i'j\"k", "l"]
NUMBERS = [str(i) for i in range(N_CLASSES)]
GROUPS = {
    "labelled.h5": {"predictive", "predictive_top", "posterior", "posterior_predictive", "log_likelihood", "observed_data",
                    "constant_data"},
    "plain.h5": {"predictive", "predictive_top", "posterior", "predictions", "predictions_constant_data"},
    "tensors.h5": {"constant_data"},
}
program, folder = sys.argv.pop(1), None


def setUpModule():
    global folder
    folder = tempfile.mkdtemp(prefix="credence-interop-")
    subprocess.run([program, folder], check=True)


def tearDownModule():
    shutil.rmtree(folder)


def path(name):
    return os.path.join(folder, name)


def credence_says(name):
    done = subprocess.run([program, "check", path(name)], capture_output=True, text=True)
    return done.returncode, done.stderr.strip()


def opened(name, group):
    """The group through each engine."""
    for engine in ENGINES:
        with xarray.open_dataset(path(name), group=group, engine=engine) as data:
            yield engine, data.load()


class Files(unittest.TestCase):
    def test_groups_and_root(self):
        for name, groups in GROUPS.items():
            with h5py.File(path(name)) as file:
                self.assertEqual(set(file), groups)
                self.assertEqual(file.attrs["seed"], 2**64 - 1)
                self.assertEqual(file.attrs["command"], "credence predict posterior.h5 'Zürich ?.jpg'")
                self.assertEqual(file.attrs["options"], "")
                self.assertEqual(file.attrs["format_version"], 1)
            with netCDF4.Dataset(path(name)) as file:
                self.assertEqual(set(file.groups), groups)
                self.assertEqual(len(file.dimensions), 0)

    def test_every_group_opens_with_coordinates(self):
        for name, groups in GROUPS.items():
            for group in groups:
                for engine, data in opened(name, group):
                    with self.subTest(name=name, group=group, engine=engine):
                        self.assertEqual(set(data.dims), set(data.coords))
                        self.assertEqual(data.attrs["inference_library"], "credence")
                        self.assertIn("created_at", data.attrs)
                        if group != "posterior":
                            self.assertEqual(list(data["image"].values), IMAGES)
                        for variable in data.data_vars.values():
                            self.assertTrue(variable.attrs["long_name"])
                            self.assertFalse([d for d in variable.dims if "phony" in d])

    def test_predictive_values(self):
        for name, classes in (("labelled.h5", CLASSES), ("plain.h5", NUMBERS)):
            for engine, data in opened(name, "predictive"):
                with self.subTest(name=name, engine=engine):
                    self.assertEqual(list(data["class"].values), classes)
                    self.assertEqual(len(data.to_dataframe()), N_IMAGES * N_CLASSES) # nothing multiplies
                    self.assertEqual(data["skipped"].dtype, bool)
                    self.assertEqual(list(data["skipped"].values), [n == SKIPPED for n in range(N_IMAGES)])
                    with h5py.File(path(name)) as file:
                        order = [v for v in file["predictive"] if v not in data.dims]
                    numbers = {v: f for f, v in enumerate(netCDF4.Dataset(path(name))["predictive"].variables)
                               if v in order}
                    first = min(numbers.values())
                    for variable, f in numbers.items():
                        values = data[variable]
                        self.assertEqual(values.dims[0], "image")
                        if variable == "skipped":
                            continue
                        for n in range(N_IMAGES):
                            row = np.atleast_1d(values.values[n])
                            if n != SKIPPED:
                                expected = 100 * (f - first) + 10 * n + np.arange(len(row))
                                np.testing.assert_array_equal(row, expected, variable)
                            elif values.dtype.kind == "f":
                                self.assertTrue(np.isnan(row).all(), variable)
                            else:
                                self.assertTrue((row == (0 if variable == "n_draws" else -1)).all(), variable)
                    self.assertEqual(data["votes"].dtype, np.int64)
                    self.assertEqual(data["probs_mean"].dtype, np.float32)
                    self.assertEqual(data["predictive_entropy"].attrs["units"], "nat")
            for _, data in opened(name, "predictive_top"):
                self.assertEqual(data["top_class"].dims, ("image", "top"))
                self.assertEqual(list(data["top"].values), [0, 1, 2])
                self.assertTrue((data["top_class"].values[SKIPPED] == -1).all())

    def test_draws_and_labels(self):
        d, n, c = np.ogrid[:N_DRAWS, :N_IMAGES, :N_CLASSES]
        expected = (100 * d + 10 * n + c).astype(np.float32)
        expected[:, SKIPPED] = np.nan
        softmax = np.exp(expected.astype(float) - expected.max(axis=2, keepdims=True))
        softmax /= softmax.sum(axis=2, keepdims=True)
        for name, group in (("labelled.h5", "posterior_predictive"), ("plain.h5", "predictions")):
            for _, data in opened(name, group):
                self.assertEqual(data["logits"].dims, ("chain", "draw", "image", "class"))
                np.testing.assert_array_equal(data["logits"].values[0], expected)
                np.testing.assert_allclose(data["probs"].values[0], softmax, rtol=1e-6)
        for _, data in opened("labelled.h5", "observed_data"):
            self.assertEqual(list(data["label"].values), [3, 0, -1, 9])

    def test_what_loo_and_posterior_predictive_checks_need(self):
        """Variables of observed_data have namesakes among the draws, with the same axes."""
        labels = np.array([3, 0, -1, 9])
        for engine in ENGINES:
            observed, predicted, likelihood, posterior = (
                xarray.open_dataset(path("labelled.h5"), group=group, engine=engine)
                for group in ("observed_data", "posterior_predictive", "log_likelihood", "posterior"))
            self.assertEqual(set(likelihood.data_vars), set(observed.data_vars))
            self.assertEqual(predicted["label"].dims, ("chain", "draw", *observed["label"].dims))
            self.assertEqual(likelihood["label"].dims, predicted["label"].dims)
            self.assertEqual(posterior["network"].dims, ("chain", "draw"))
            self.assertEqual(list(posterior["network"].values[0]), list(range(N_DRAWS)))
            logits = predicted["logits"].values[0].astype(float)
            log_probs = logits - np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1, keepdims=True)) \
                - logits.max(-1, keepdims=True)
            for n, label in enumerate(labels):
                found = likelihood["label"].values[0, :, n]
                if label < 0 or n == SKIPPED:
                    self.assertTrue(np.isnan(found).all())
                else:
                    np.testing.assert_allclose(found, log_probs[:, n, label], rtol=1e-12)
            drawn = predicted["label"].values[0]
            self.assertTrue(((drawn >= 0) & (drawn < N_CLASSES))[:, [0, 1, 3]].all())
            self.assertTrue((drawn[:, SKIPPED] == -1).all())
            for data in (observed, predicted, likelihood, posterior):
                data.close()
        for name, group in (("labelled.h5", "constant_data"), ("plain.h5", "predictions_constant_data")):
            for _, data in opened(name, group):
                self.assertEqual(list(data["image_path"].values), IMAGES)

    def test_tensors(self):
        expected = np.arange(N_IMAGES * 3 * 5 * 7, dtype=np.float32).reshape(N_IMAGES, 3, 5, 7) / 8
        for _, data in opened("tensors.h5", "constant_data"):
            self.assertEqual(data["images"].dims, ("image", "channel", "height", "width"))
            np.testing.assert_array_equal(data["images"].values, expected)

    def test_posterior(self):
        with h5py.File(path("posterior.h5")) as file:
            self.assertEqual(file.attrs["format"], "credence-posterior")
            modules = file["parameters"]
            self.assertEqual(set(modules["layer3.0.conv1"]), {"mu_kernel", "rho_kernel"})
            self.assertEqual(set(modules["layer1.0.conv1"]), {"weight"})
            self.assertEqual(set(modules["bn1"]), {"weight", "bias", "running_mean", "running_var"})
            mu = modules["layer3.0.conv1/mu_kernel"][:]
            self.assertEqual((mu.shape, mu.dtype), ((64, 32, 3, 3), np.float32))
            np.testing.assert_array_equal(mu.ravel() - mu.flat[0], np.arange(mu.size, dtype="f4") / 1024)
            self.assertEqual(file["prior"].attrs["prior_sigma"], 1)
            self.assertEqual(len(file["preprocessing"].attrs["mean"]), 3)
            self.assertTrue(file["graph"][()].decode().lstrip().startswith("{"))

    def test_checkpoint(self):
        figures = ["step", "loss", "data_term", "kl_sum", "kl_mean", "temperature", "lr", "accuracy", "seconds"]
        for engine, data in opened("checkpoint.h5", "history"):
            with self.subTest(engine=engine):
                self.assertEqual(set(data.dims), {"epoch"})
                self.assertEqual(list(data["epoch"].values), [1, 2, 3])
                for f, figure in enumerate(figures, 1):
                    self.assertEqual(list(data[figure].values), [10 * f, 10 * f + 1, 10 * f + 2])
                    self.assertTrue(data[figure].attrs["long_name"])
                self.assertEqual(data["step"].dtype, np.int64)
                self.assertEqual(data["loss"].sel(epoch=2), 21)
                for figure in ("accuracy", "nll", "ece", "seconds"):
                    self.assertTrue(np.isnan(data["validation_" + figure].values).all())
        with h5py.File(path("checkpoint.h5")) as file, h5py.File(path("posterior.h5")) as posterior:
            self.assertEqual(file.attrs["format"], "credence-checkpoint")
            self.assertEqual(set(file), set(posterior) | {"optimizer", "progress", "history"})
            name = "parameters/layer3.0.conv1/mu_kernel"
            np.testing.assert_array_equal(file[name][:], posterior[name][:])
            self.assertEqual(file["progress"].attrs["step"], 77)
            self.assertEqual(file["progress/fingerprint"][()].decode(), "--lr=0.01\n--epochs=3\n")
            moments = np.concatenate([file["optimizer/1/mu"][:], file["optimizer/1/rho"][:]])
            np.testing.assert_array_equal(moments, np.arange(moments.size, dtype="f4") / 8)

    def test_ncdump(self):
        for name in ["posterior.h5", "checkpoint.h5", *GROUPS]:
            header = subprocess.run(["ncdump", "-h", path(name)], capture_output=True, text=True)
            self.assertEqual((header.returncode, header.stderr), (0, ""))
            self.assertEqual("phony" in header.stdout, name in ("posterior.h5", "checkpoint.h5"))

    def test_appending_works_and_breaks_the_seal(self):
        def with_netcdf4(copy):
            with netCDF4.Dataset(copy, "a") as file:
                file["predictive"].createVariable("mine", "f4", ("image", "class"))[:] = 1
                file.createGroup("more").createDimension("x", 2)

        def with_xarray(engine):
            def append(copy):
                data = xarray.Dataset({"mine": ("x", [1.0, 2.0])}, coords={"x": [0, 1]})
                data.to_netcdf(copy, mode="a", group="more", engine=engine)
            return append

        def with_h5py(copy):
            with h5py.File(copy, "a") as file:
                file["predictive/probs_mean"][0, 0] = 0.5

        self.assertEqual(credence_says("plain.h5"), (0, ""))
        for append in (with_netcdf4, with_xarray("netcdf4"), with_xarray("h5netcdf"), with_h5py):
            shutil.copy(path("plain.h5"), path("copy.h5"))
            append(path("copy.h5"))
            with h5py.File(path("copy.h5")) as file:
                self.assertGreater(len(file), 0)
            for engine, data in opened("copy.h5", "predictive"):
                self.assertEqual(list(data["image"].values), IMAGES)
            code, message = credence_says("copy.h5")
            self.assertEqual(code, 3)
            self.assertIn("copy.h5: not sealed by Credence, or changed since by another program", message)

    def test_foreign_file_is_refused(self):
        for version in ("earliest", "latest"):
            with h5py.File(path("foreign.h5"), "w", libver=version) as file:
                file["x"] = np.arange(10)
            code, message = credence_says("foreign.h5")
            self.assertEqual(code, 3)
            self.assertIn("not sealed by Credence", message)
            with open(path("foreign.h5"), "rb+") as file:
                file.truncate(os.path.getsize(path("foreign.h5")) - 1)
            code, message = credence_says("foreign.h5")
            self.assertIn("truncated", message)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
