"""HDF5 files of images as h5py, netCDF4 and MATLAB make them: read as what they mean, or refused with what is wrong; and files that HDF5
itself dies of. CREDENCE_PROGRAM, CREDENCE_MPIRUN say what runs."""
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "cli"))
try:
    import h5py
    import netCDF4
    import numpy as np
except ImportError as error:
    print(f"skipped: {error}; needs python3-h5py, -netcdf4, -numpy")
    sys.exit(77)
import program

INPUT = 3
N = 4
PIXELS = np.random.default_rng(1).integers(0, 256, (N, 1, 28, 28), dtype=np.uint8)
FLOATS = PIXELS.astype(np.float32) / 128 - 1
LABELS = np.array([3, 0, 9, 1])


class Images(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="credence-images-"))
        done = program.run("convert", "--arch", "lenet", "--seed", 1, "-o", "p.h5", folder=cls.folder)
        assert done.codes == [0], done.err

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def predict(self, *more, ranks=1):
        return program.run("predict", "p.h5", "x.h5", "--draws", 2, *more, ranks=ranks, folder=self.folder)

    def probs(self, make, *more):
        """Of the file x.h5 that `make` fills."""
        with h5py.File(self.folder / "x.h5", "w") as file:
            make(file)
        return self.probs_as_it_is(*more)

    def probs_as_it_is(self, *more):
        done = self.predict("-o", "y.h5", *more)
        self.assertEqual(done.codes, [0], done.err)
        with h5py.File(self.folder / "y.h5") as file:
            labels = file["observed_data/label"][:] if "observed_data" in file else None
            return file["predictive/probs_mean"][:], labels

    def refused(self, make, words, ranks=1):
        with h5py.File(self.folder / "x.h5", "w") as file:
            make(file)
        self.refused_as_it_is(words, ranks)

    def refused_as_it_is(self, words, ranks=1):
        done = self.predict(ranks=ranks)
        self.assertEqual(set(done.codes), {INPUT}, done.err)
        self.assertEqual(done.err.count("credence: x.h5"), 1, done.err)
        self.assertIn(words, done.err)

    def same(self, expected, make):
        np.testing.assert_array_equal(self.probs(make)[0], expected)

    def test_all_types_and_storages_mean_the_same(self):
        bytes_, floats = (self.probs(lambda f, v=v: f.create_dataset("images", data=v))[0] for v in (PIXELS, FLOATS))
        self.same(bytes_, lambda f: f.create_dataset("images", data=PIXELS, chunks=(3, 1, 28, 28), compression="gzip", shuffle=True))
        self.same(bytes_, lambda f: f.create_dataset("images", data=PIXELS, chunks=(1, 1, 9, 28), scaleoffset=0))
        self.same(bytes_, lambda f: f.create_dataset("images", data=PIXELS, chunks=(1, 1, 9, 28), fletcher32=True))
        for kind in (">f4", ">f8", "<f8"):
            self.same(floats, lambda f: f.create_dataset("images", data=FLOATS.astype(kind)))
        for kind in ("<i2", ">i2", "<u2", "<i4", "u1"): # netCDF's packing
            def packed(file):
                data = file.create_dataset("images", data=PIXELS.astype(kind))
                data.attrs["scale_factor"], data.attrs["add_offset"] = 1 / 128, np.float32(-1)
            self.same(floats, packed)

        def virtual(file):
            layout = h5py.VirtualLayout(shape=PIXELS.shape, dtype="u1")
            for i in range(2):
                with h5py.File(self.folder / f"source{i}.h5", "w") as source:
                    source["part"] = PIXELS[2 * i:2 * i + 2]
                layout[2 * i:2 * i + 2] = h5py.VirtualSource(f"source{i}.h5", "part", shape=(2, 1, 28, 28))
            file.create_virtual_dataset("images", layout)
        self.same(bytes_, virtual)
        (self.folder / "source1.h5").unlink()
        self.refused_as_it_is("/images: is a virtual dataset, and its source file source1.h5 is missing")

        with h5py.File(self.folder / "x.h5", "w", userblock_size=512) as file: # as MATLAB does
            file["images"] = PIXELS
        with open(self.folder / "x.h5", "rb+") as file:
            file.write(b"MATLAB 7.3 MAT-file")
        np.testing.assert_array_equal(self.probs_as_it_is()[0], bytes_)
        with h5py.File(self.folder / "x.h5", "w", libver="latest") as file:
            file.create_dataset("images", data=PIXELS, chunks=(2, 1, 28, 28))
        np.testing.assert_array_equal(self.probs_as_it_is()[0], bytes_)

    def test_labels_of_any_whole_numbers(self):
        for kind in ("<i8", ">i8", "<i2", "<u8", "u1", ">u4", "i1"):
            def make(file):
                file["images"] = PIXELS
                file["labels"] = LABELS.astype(kind)
            self.assertEqual(list(self.probs(make, "--save-draws")[1]), list(LABELS), kind)

    def test_what_cannot_be_meant_is_named(self):
        for kind, name in (("u2", "uint16"), ("i2", "int16"), ("f2", "float16"), ("?", "bool"), (">u2", "big-endian uint16")):
            self.refused(lambda f: f.create_dataset("images", data=(PIXELS % 2).astype(kind)),
                         f"/images: elements are {name}; uint8 (pixels of 0 to 255), float32 and float64")
        self.refused(lambda f: (f.create_dataset("images", data=PIXELS), f.create_dataset("labels", data=LABELS / 2)),
                     "/labels: elements are float64")
        with h5py.File(self.folder / "other.h5", "w") as file:
            file["images"] = PIXELS
        self.refused(lambda f: f.__setitem__("images", h5py.ExternalLink("other.h5", "/images")),
                     "/images: is a link into another file (other.h5)")
        self.refused(lambda f: f.__setitem__("images", h5py.SoftLink("/nowhere")), "has neither a dataset /images")
        self.refused(lambda f: f.create_dataset("images", PIXELS.shape, "u1", chunks=(1, 1, 28, 28)),
                     "/images: only 0 of its 4 chunks were ever written")
        self.refused(lambda f: f.create_dataset("images", PIXELS.shape, "u1"), "/images: was never written")
        self.refused(lambda f: f.create_dataset("images", PIXELS.shape, "u1", external=[("raw", 0, h5py.h5f.UNLIMITED)]),
                     "/images: its values lie in other files")
        self.refused(lambda f: f.create_dataset("images", (100000, 1, 1000, 1000), "u1", chunks=(100, 1, 1000, 1000)),
                     "/images: only 0 of its 1000 chunks")
        self.refused(lambda f: f.create_dataset("images", data=h5py.Empty("u1")), "/images: holds no values at all")

        def fill(file):
            values = PIXELS.astype("i2")
            values[2, 0, 5, 5] = -9
            data = file.create_dataset("images", data=values)
            data.attrs["scale_factor"], data.attrs["_FillValue"] = 0.5, np.int16(-9)
        self.refused(fill, "x.h5[2]: value 145 is not a finite number")

        self.refused(lambda f: f.create_dataset("images", data=PIXELS, compression="lzf"), # a filter that only h5py has
                     "is compressed with filter 32000 (lzf), which the HDF5 library here has not got: let HDF5_PLUGIN_PATH name")
        netCDF4.Dataset(self.folder / "x.h5", "w", format="NETCDF3_CLASSIC").close()
        self.refused_as_it_is("is a netCDF 3 file; HDF5 is read: nccopy -k nc4 x.h5 NEW.nc", ranks=3)

    def test_files_that_hdf5_dies_of(self):
        """Found by mutation: HDF5 1.10.8 crashes over them."""
        for name in sorted((pathlib.Path(__file__).parent / "hostile").glob("*.h5")):
            shutil.copy(name, self.folder / "x.h5")
            for ranks in (1, 3):
                self.refused_as_it_is("", ranks)
            with h5py.File(self.folder / "good.h5", "w") as file:
                file["images"] = PIXELS
            done = self.predict("good.h5", "--skip-bad", "-o", "y.h5", ranks=3)
            self.assertEqual(done.codes, [0, 0, 0], done.err)
            self.assertIn("skipped: x.h5: ", done.err)
            with h5py.File(self.folder / "y.h5") as file:
                self.assertEqual(list(file["predictive/skipped"][:]), [1, 0, 0, 0, 0])
                self.assertTrue(np.isfinite(file["predictive/probs_mean"][1:]).all())

    def test_a_small_file_takes_little_memory(self):
        """59 bytes: a superblock and a header that ask for gigabytes."""
        start = bytes.fromhex("894844460d0a1a0a0208080000000000000000ffffffffffffffffffffffffffffff3b00000000000000")
        for size in (59, 200):
            (self.folder / "x.h5").write_bytes((start + os.urandom(4) * 64)[:size])
            self.refused_as_it_is("")


if __name__ == "__main__":
    unittest.main()
