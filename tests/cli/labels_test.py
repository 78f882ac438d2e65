"""What labels and class names mean: never a wrong one without a word."""
import json
import pathlib
import shutil
import unittest

import h5py
import numpy as np
import PIL.Image

import program
from program import DATA, run

USAGE, INPUT = 2, 3
IMAGES = sorted((DATA / "images").iterdir())
SHIRT = IMAGES[0]
CLASSES = [line.split(", ", 1)[1] for line in (DATA / "fashion_mnist_classes.txt").read_text().splitlines()]


class Labels(program.Case):
    def folder_of(self, names):
        """A folder with a sub-folder for each class, named names[class], with the data's images of it."""
        folder = self.folder / f"labelled{len(list(self.folder.iterdir()))}"
        for image in IMAGES:
            label = [name.lower().replace("/", "_").replace(" ", "_") for name in CLASSES].index(image.stem.split("_", 1)[1])
            (folder / names[label]).mkdir(parents=True, exist_ok=True)
            shutil.copy(image, folder / names[label])
        return folder

    def evaluate(self, names, ranks=1):
        return run("evaluate", DATA / "quickstart.h5", self.folder_of(names), "--deterministic", "--json", ranks=ranks, folder=self.work)

    def test_sub_folders_are_classes_by_name_or_by_number(self):
        names = [name.replace("/", "_") for name in CLASSES]
        numbered = [f"{k}, {name}" for k, name in enumerate(names)]
        said, labels = {}, [image.stem.split("_", 1)[1] for image in IMAGES]
        found = json.loads(self.succeed("predict", DATA / "quickstart.h5", *IMAGES, "--deterministic", "--json"))["images"]
        tops = [image["top"][0]["name"].split(", ", 1)[1].lower().replace("/", "_").replace(" ", "_") for image in found]
        right = sum(top == label for top, label in zip(tops, labels, strict=True)) / len(labels)
        self.assertGreater(right, 0.5)  # hard images are among them
        for rule, folders in {"names": names, "numbered": numbered, "numbers": [str(k) for k in range(10)]}.items():
            result = self.evaluate(folders)
            self.assertEqual(result.codes, [0], result.err)
            said[rule] = result.err
            self.assertAlmostEqual(json.loads(result.out)["accuracy"]["value"], right, places=6)
        self.assertIn("names of classes; 'Trouser', the last of 10, is class 1, '1, Trouser'", said["names"])
        self.assertIn("class numbers; '9', the last of 10, is class 9, '9, Ankle_boot'", said["numbers"])

    def test_a_sub_folder_that_only_resembles_a_class_is_refused(self):
        names = [name.replace("/", "_") for name in CLASSES]
        cases = {"'Trousers' is no class": [*names[:1], "Trousers", *names[2:]],
                 "nearest is class 9, '9, Ankle_boot'": [name.lower() for name in names],
                 "'10' is no class": [str(k) for k in range(1, 11)]}
        for text, folders in cases.items():
            for ranks in (1, 3):
                with self.subTest(text=text, ranks=ranks):
                    result = self.evaluate(folders, ranks)
                    self.assertEqual((result.codes, result.out), ([INPUT] * ranks, ""))
                    self.assertIn(text, result.err)

    def test_predict_says_that_labels_are_not_recorded(self):
        folder = self.folder_of(["Trousers" if name == "Trouser" else name.replace("/", "_") for name in CLASSES])
        result = run("predict", DATA / "quickstart.h5", folder, "--deterministic", "-o", "p.h5", folder=self.work)
        self.assertEqual(result.codes, [0])
        self.assertIn("warning: no labels are recorded: sub-folder 'Trousers'", result.err)

    def test_sorted_order_is_said(self):
        result = self.evaluate(["zebra crossing", "yard", "xylem", "willow", "viaduct", "ulna", "tulip", "silo", "river", "quay"])
        self.assertEqual(result.codes, [0])
        self.assertIn("warning: labels: no sub-folder is named like a class; numbered in sorted order; 'zebra crossing', "
                      "the last of 10, is class 9, '9, Ankle_boot'", result.err)

    def test_a_network_without_names_takes_those_of_its_sub_folders(self):
        folder = self.folder_of([f"kind {9 - k}" for k in range(10)])
        made = run("convert", "--arch", "cifar_resnet8", "--channels", 1, "--crop", 28, "--n-classes", 10, "--moped", "-o", "plain.h5",
                   folder=self.work)
        self.assertEqual(made.codes, [0], made.err)
        trained = run("train", "plain.h5", folder, "--epochs", 1, "-o", "new.h5", folder=self.work)
        self.assertEqual(trained.codes, [0], trained.err)
        self.assertIn("sorted order; 'kind 9', the last of 10, is class 9", trained.err)
        self.assertIn("kind 9", run("predict", "new.h5", IMAGES[0], "--deterministic", "--topk", 10, folder=self.work).out)
        (folder / "kind 3").rename(folder / "kind3")
        result = run("evaluate", "new.h5", folder, folder=self.work)
        self.assertEqual(result.codes, [INPUT])
        self.assertIn("'kind3' is no class of the network; the nearest is class 3, 'kind 3'", result.err)


class ClassNames(program.Case):
    def convert(self, content, ranks=1, name="classes"):
        path = self.work / name
        path.write_bytes(content)
        return run("convert", "--weights", self.posterior, "--classes", path, "-o", "new.h5", ranks=ranks, folder=self.work)

    def names_in(self, path):
        with h5py.File(path) as file:
            return [name.decode() for name in file["classes"][()]]

    def test_forms_of_lists(self):
        key = "n01440764"
        forms = {"lines": "\n".join(CLASSES) + "\n\n", "windows": "\r\n".join(CLASSES), "mark": "\ufeff" + "\n".join(CLASSES),
                 "list": json.dumps(CLASSES), "marked list": "\ufeff\n" + json.dumps(CLASSES),
                 "numbers": json.dumps({str(9 - k): CLASSES[9 - k] for k in range(10)}),
                 "torchvision": json.dumps({name: k for k, name in enumerate(CLASSES)})}
        for form, text in forms.items():
            with self.subTest(form=form):
                self.assertEqual(self.convert(text.encode()).codes, [0])
                self.assertEqual(self.names_in(self.work / "new.h5"), CLASSES)
        keras = json.dumps({str(k): [key, name] for k, name in enumerate(CLASSES)})
        self.assertEqual(self.convert(keras.encode()).codes, [0])
        self.assertEqual(self.names_in(self.work / "new.h5"), [f"{key}, {name}" for name in CLASSES])

    def test_what_is_no_list_is_refused(self):
        lines = "\n".join(CLASSES)
        index = {str(k): name for k, name in enumerate(CLASSES)}
        cases = {"is UTF-16 text": lines.encode("utf-16"), "byte 1 is zero": lines.encode("utf-16-le"),
                 "as old Macs did": "\r".join(CLASSES).encode(), "byte 11 is zero": lines.encode().replace(b"\n", b"\0", 1),
                 "is no UTF-8": "Café\n".encode("latin-1") + lines.encode(), "line 1 is empty": b"\n" + lines.encode(),
                 "is no JSON": b"['a', 'b']", "9 class names": json.dumps(CLASSES[1:]).encode(),
                 "class 3: is neither a name": json.dumps([*CLASSES[:3], 7, *CLASSES[4:]]).encode(),
                 "the name of class 0 is empty": json.dumps(["", *CLASSES[1:]]).encode(),
                 "'x' is not a class number": json.dumps({"x": "a", **index}).encode(),
                 "'11' is not a class number from 0 to 10": json.dumps({**index, "11": "a"}).encode(),
                 "class 1 has two names": json.dumps({"a": 0, "b": 1, "c": 1}).encode(),
                 "no class names": b"\xef\xbb\xbf\n"}
        for text, content in cases.items():
            for ranks in (1, 3) if text.startswith("is UTF") else (1,):
                with self.subTest(text=text, ranks=ranks):
                    result = self.convert(content, ranks)
                    self.assertEqual(result.codes, [INPUT] * ranks)
                    self.assertIn(text, result.err)
                    self.assertEqual(len(result.err.splitlines()), 1)
                    self.assertFalse((self.work / "new.h5").exists())

    def test_the_number_of_names_makes_a_new_network(self):
        (self.work / "three.json").write_text('["a", "b", "c"]')
        made = run("convert", "--arch", "lenet", "--classes", "three.json", "--moped", "-o", "new.h5", "--json", folder=self.work)
        self.assertEqual(json.loads(made.out)["n_classes"], 3)


class Fit(program.Case):
    """What the transform does to images is said where a user may not expect it."""

    def said(self, posterior, *data, command="predict", ranks=1):
        options = ("--deterministic",) if command != "preprocess" else ("-o", "t.h5")
        result = run(command, posterior, *data, *options, ranks=ranks, folder=self.work)
        self.assertEqual(result.codes, [0] * ranks, result.err)
        return result.err.replace("credence: written to t.h5\n", "")

    def photograph(self, width, height, mode="RGB"):
        path = self.work / f"{width}x{height}{mode}.jpg"
        PIL.Image.effect_noise((width, height), 50).convert(mode).save(path)
        return path

    def test_a_crop_that_keeps_little_is_said(self):
        self.assertEqual(program.convert(self.folder / "cut.h5", "--resize", 0).codes, [0])
        large = self.photograph(300, 200, "L")
        text = "300 x 200 pixels: the network sees only 1.3 % of the picture, 28 x 28 pixels from its middle; so with 1 of 2 images"
        for ranks in (1, 3):
            self.assertIn("warning: " + str(large) + ": " + text, self.said(self.folder / "cut.h5", SHIRT, large, ranks=ranks))
        self.assertIn(text, self.said(self.folder / "cut.h5", SHIRT, large, command="preprocess"))
        self.assertIn("sees only 24 %", self.said(self.folder / "cut.h5", self.photograph(57, 57, "L")))
        self.assertEqual("", self.said(self.folder / "cut.h5", self.photograph(56, 56, "L")))
        panorama = self.photograph(600, 28, "L")
        self.assertIn("sees only 4.7 % of the picture, 28 x 28 pixels from its middle after resizing", self.said(self.posterior, panorama))

    def test_small_networks_resize(self):
        """What a photograph is to them is what torchvision's Resize(28) and CenterCrop(28) make of it."""
        self.assertIn("resize 28 (bilinear), crop 28", self.succeed("inspect", self.posterior))
        photograph = self.photograph(300, 200, "L")
        self.assertEqual("", self.said(self.posterior, photograph, command="preprocess"))
        with h5py.File(self.work / "t.h5") as file:
            found = file["constant_data/images"][0, 0] * np.float32(0.3530) + np.float32(0.2860)
        small = np.asarray(PIL.Image.open(photograph).resize((42, 28), PIL.Image.BILINEAR), np.float32)[:, 7:35] / 255
        self.assertLess(abs(found - small).max(), 1e-6)
        self.succeed("convert", "--weights", self.posterior, "--moped", "--crop", 32, "-o", "larger.h5")
        self.assertIn("resize 32 (bilinear), crop 32", self.succeed("inspect", "larger.h5"))

    def test_channels_that_do_not_fit_are_said(self):
        self.succeed("convert", "--arch", "lenet", "--channels", 3, "--crop", 32, "--moped", "-o", "colour.h5")
        self.assertIn("the images are grey: each is given to all 3 channels", self.said("colour.h5", IMAGES[0], IMAGES[1]))
        self.assertIn("colours become grey, as the network takes 1 channel; so with 1 of 2 images",
                      self.said(self.posterior, SHIRT, self.photograph(28, 28)))
        self.assertEqual("", self.said("colour.h5", self.photograph(32, 32)))

    def test_padding_is_said(self):
        self.succeed("convert", "--arch", "lenet", "--channels", 1, "--crop", 32, "--resize", 0, "--moped", "-o", "wide.h5")
        with h5py.File(self.work / "images.h5", "w") as file:
            file["images"] = np.zeros((3, 1, 28, 28), np.uint8)
        self.assertIn("images.h5[0]: 28 x 28 pixels are padded with zeros to the network's 32 x 32", self.said("wide.h5", "images.h5"))

    def test_pictures_of_other_formats_are_told_how_to_become_jpeg(self):
        PIL.Image.new("L", (28, 28)).save(self.work / "a.png")
        result = run("predict", self.posterior, "a.png", folder=self.work)
        self.assertEqual(result.codes, [INPUT])
        self.assertIn("a.png: is a PNG image, not a JPEG file; to convert it:", result.err)
        folder = self.folder / "pictures"
        folder.mkdir()
        shutil.copy(self.work / "a.png", folder / "a.PNG")
        (folder / "NOTES").write_text("x")
        result = run("predict", self.posterior, folder, folder=self.work)
        self.assertEqual(result.codes, [INPUT])
        self.assertIn("but 1 image of other formats, first a.PNG; to convert them", result.err)
        shutil.copy(SHIRT, folder)
        self.assertIn("warning: " + str(folder) + ": ignored what is not named .jpg or .jpeg: 2 files, first a.PNG",
                      self.said(self.posterior, folder))


if __name__ == "__main__":
    unittest.main()
