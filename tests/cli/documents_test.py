"""What is made of the tables of commands and options: help that fits the terminal, and, while Credence is built, man pages that groff
takes without a warning and completion that bash runs."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import program

DOCUMENTS = pathlib.Path(os.environ["CREDENCE_BUILD"]) / "src" / "cli" / "documents"


def tables():
    """Commands, and for each its options, by the tables of jobs/README.md."""
    done = program.run("help", "--markdown")
    assert done.codes == [0], done.err
    commands, options = (re.findall(pattern, done.out, re.M) for pattern in
                         (r"^\| `(\w[\w-]*)[^|]*\| [^|]+ \|$", r"^\| `(?:-(\w), )?--([\w-]+)[^`]*` \| ([\w, -]+) \|"))
    takes = {command: [] for command in commands}
    for letter, name, of in options:
        for command in [command for command in commands if command != "help"] if of == "all" else of.split(", "):
            takes[command].append((letter, name))
    return takes


def run(*words, **more):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, **more)
    return done.returncode, done.stdout, done.stderr


class Help(unittest.TestCase):
    def widest(self, text):
        return max(map(len, text.splitlines()))

    def test_it_is_wrapped_and_grouped(self):
        whole = program.run("train", "-h", environment={"COLUMNS": "120"}).out
        for columns in (60, 80, 100):
            text = program.run("train", "-h", environment={"COLUMNS": str(columns)}).out
            self.assertLessEqual(self.widest(text.partition("\nexample")[0]), columns)
            self.assertGreater(self.widest(text.partition("\nexample")[0]), columns - 15)
            self.assertEqual(text.split(), whole.split()) # no word is lost
            headings = re.findall(r"^(\w[^:\n]*):$", text, re.M)
            self.assertEqual(headings, ["Output", "Images", "Draws", "How the work is cut", "Loss", "Steps", "Collecting networks", "Validation",
                                        "Checkpoints and time", "General"])

    def test_it_asks_the_terminal(self):
        code, text = program.run_on_terminal(self, "merge", "-h", columns=66)
        self.assertEqual(code, 0)
        self.assertTrue(50 < self.widest(text.partition("\r\nexample")[0]) <= 66, text)

    def test_the_program(self):
        text = " ".join(program.run("help").out.split())
        self.assertIn("7 a rank hangs, 75 stopped", text)
        self.assertEqual("--allow-run-as-root" in text, os.geteuid() == 0)
        for name in tables():
            self.assertIn(f" {name} ", text)

    def test_words_that_are_nearly_commands(self):
        for ranks in (1, 3):
            for words in (("help", "predcit"), ("predcit",)):
                result = program.run(*words, ranks=ranks)
                self.assertEqual((result.codes, result.out), ([2] * ranks, ""))
                self.assertIn("credence: unknown command 'predcit'; did you mean predict?\n", result.err)
        self.assertIn("see credence help", program.run("help", "xyzzyx").err)

    def test_version(self):
        said = {program.run(word).out for word in ("version", "--version", "-V")}
        self.assertEqual(len(said), 1)
        self.assertRegex(said.pop(), r"^credence \d+\.\d+\.\d+ \(git ")
        self.assertIn("openblas_core", json.loads(program.run("version", "--json").out))

    def test_what_is_written_is_said(self):
        with tempfile.TemporaryDirectory() as folder:
            for options, expected in (((), "credence: written to a.h5\n"), (("--quiet",), "")):
                result = program.run("convert", "--arch", "lenet", *options, "-o", "a.h5", folder=folder)
                self.assertEqual((result.codes, result.err), ([0], expected))


class ManPages(unittest.TestCase):
    def test_a_page_for_each_command_holds_its_options(self):
        takes = tables()
        self.assertGreater(len(takes), 10)
        self.assertEqual({path.stem for path in DOCUMENTS.glob("*.1")}, {"credence", *(f"credence-{name}" for name in takes)})
        whole = (DOCUMENTS / "credence.1").read_text(encoding="utf-8")
        for command, options in takes.items():
            self.assertIn(f"\\fB{command}\\fR", whole)
            page = (DOCUMENTS / f"credence-{command}.1").read_text(encoding="utf-8")
            found = {name.replace("\\-", "-") for name in re.findall(r"^(?:\\fB\\-\w\\fR, )?\\fB\\-\\-([\w\\-]+?)\\fR", page, re.M)}
            if command != "help": # its own option is nobody's else
                self.assertEqual(found, {name for _, name in options}, command)

    def test_old_spellings_are_not_shown(self):
        for path in DOCUMENTS.iterdir():
            for old in ("mean", "type", "sd"):
                self.assertNotRegex(path.read_text(encoding="utf-8").replace("\\-", "-"), rf"--{old}\b")

    @unittest.skipIf(shutil.which("groff") is None, "groff is not installed")
    def test_groff_has_nothing_to_warn_of(self):
        for path in sorted(DOCUMENTS.glob("*.1")):
            self.assertEqual(run("groff", "-ww", "-man", "-Tutf8", "-z", path), (0, "", ""), path.name)
        code, text, _ = run("groff", "-man", "-Tascii", "-P-cbou", DOCUMENTS / "credence-predict.1")
        self.assertEqual(code, 0)
        self.assertRegex(text, r"(?s)NAME\n +credence-predict - draw networks.*SYNOPSIS\n +credence predict POSTERIOR.h5.*OPTIONS\n.*"
                               r"-o, --output FILE\n.*EXAMPLE\n +mpirun -n 4 credence predict.*EXIT STATUS\n.*SEE ALSO\n +credence\(1\)")

    @unittest.skipIf(shutil.which("man") is None, "man is not installed")
    def test_man_shows_them(self):
        for path in sorted(DOCUMENTS.glob("*.1")):
            code, text, err = run("man", "-l", path, env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"})
            self.assertEqual((code, err), (0, ""), path.name)
            self.assertIn("EXIT STATUS", text)


class Completion(unittest.TestCase):
    def complete(self, *words):
        """What bash offers for the last word."""
        script = ('set -u; . "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _credence || :; '
                  'for word in ${COMPREPLY[@]+"${COMPREPLY[@]}"}; do echo "$word"; done')
        code, out, err = run("bash", "-c", script, "bash", DOCUMENTS / "credence.bash", "credence", *words)
        self.assertEqual((code, err), (0, ""))
        return out.split()

    def test_commands(self):
        self.assertEqual(self.complete(""), list(tables()))
        self.assertEqual(self.complete("pre"), ["predict", "preprocess"])
        self.assertEqual(self.complete("help", "ev"), ["evaluate"])

    def test_options(self):
        for command, options in tables().items():
            if command != "help":
                self.assertEqual(self.complete(command, "--"), [f"--{name}" for _, name in options])
        self.assertEqual(self.complete("train", "p.h5", "data", "--mom"), ["--momentum"])

    def test_values(self):
        self.assertEqual(self.complete("train", "--optimizer", "ada"), ["adam", "adamw"])
        self.assertEqual(self.complete("train", "--optimizer", "=", "s"), ["sgd"])
        self.assertEqual(self.complete("train", "--kl", "="), ["sum", "mean"])
        self.assertIn("flipout", self.complete("predict", "p.h5", "--estimator", ""))

    def test_files_are_the_shells_own(self):
        for words in (("predict", ""), ("predict", "p.h5", "ph"), ("convert", "--weights", ""), ("predict", "p.h5", "a", "-o", "")):
            self.assertEqual(self.complete(*words), [])
        code, out, _ = run("bash", "-c", f". {DOCUMENTS}/credence.bash; complete -p credence")
        self.assertEqual((code, out), (0, "complete -o default -F _credence credence\n"))

    @unittest.skipIf(shutil.which("zsh") is None, "zsh is not installed")
    def test_zsh_takes_its_own(self):
        self.assertEqual(run("zsh", "-n", DOCUMENTS / "_credence"), (0, "", ""))


if __name__ == "__main__":
    unittest.main()
