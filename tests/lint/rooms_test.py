"""rooms.py on a small tree with one fault of every kind: each is found, and a tree without faults has none."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

LINT = pathlib.Path(__file__).with_name("rooms.py")
PLANTED = {
    "src/stats/a.c": [('#include <cblas.h>', "<cblas.h> belongs to"), ('#include "io/h5.h"', "may not use"),
                      ('#include "credence/files.h"', "may not use"), ("void f(void) { exit(1); }", "only main.c ends"),
                      ('void g(void) { printf("x"); }', "only the program ends or prints"),
                      ("void h(char *a, char *b) { strcpy(a, b); }", "banned function"),
                      ("int i; ", "blank at the end"), ("#include <assert.h>", "belongs to nowhere")],
    "src/bayes/operators.c": [("int a = op->kind == other;", "only src/ops compares"),
                              ("int b = other != op->kind;", "only src/ops compares"),
                              ('int c = strcmp(op->kind->name, "Conv2d");', "only src/ops compares"),
                              ('int d = strcmp(crd_network_op_kind(network, 0), "Conv2d");', "only src/ops compares"),
                              ("const crd_op *e = &crd_op_conv2d;", "only src/ops names an operator"),
                              ("double f = ((const double *)op->attrs)[0];", "only src/ops reads"),
                              ('#include "ops/registry.h"', "is private to its room")],
    "src/cellar/b.c": [("int j;", "its room is not in")],
    "src/graph/text.h": [("", "the name is taken")],
    "include/credence/bad.h": [("#include <stdio.h>", "show only C11"), ("void crd_bad(FILE *file);", "no contract"),
                               ("unknown_t crd_x;", "does not compile alone")],
    "src/cli/option_table.c": [("static int table[] = {[CRD_OPT_LR] = {.type = CRD_OPTION_DOUBLE}};", "")],
    "src/cli/cmd_bad.c": [("int64_t i = values[CRD_OPT_LR].integer;", "CRD_OPT_LR is a DOUBLE, and not read by integer"),
                          ("int64_t k = crd_opt_int(options, CRD_OPT_LR);", "not read by crd_opt_int"),
                          ("#include <math.h>", "no maths in src/cli"), ("\n" * 130, "longer than 130 lines")],
    "src/report/c.c": [("void f(void) { exit(1); }", "only main.c ends"), ('#include "cli/options.h"', "may not use")],
    "tests/late_test.py": [("run(timeout=60)", "a time limit of its own")],
    "tests/CMakeLists.txt": [("set_tests_properties(a PROPERTIES TIMEOUT 60)", "a time limit of its own")],
    "src/stats/says_nothing.c": [("int k;", "does not open with a comment")],
    "src/stats/wide.c": [("/* Wide.\n * " + "wide " * 20 + "*/", "a comment beyond column")],
    "jobs/README.md": [("nothing", "its tables differ")],
    "src/README.md": [("```\nbase tensor\n```", "does not draw room kernels")],
    "README.md": [("wide " * 25 + "\n" * 150, "longer than 150 lines"), ("wide " * 24 + "wide", "wider than 120 columns")],
}


class Rooms(unittest.TestCase):
    def lint(self, root):
        done = subprocess.run([sys.executable, LINT, root], capture_output=True, text=True, check=False,
                              env=dict(os.environ))
        return done.returncode, done.stdout

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        made = subprocess.run([os.environ["CREDENCE_PROGRAM"], "help", "--markdown"], capture_output=True, text=True,
                              check=True).stdout
        self.put("jobs/README.md", made)
        self.put("README.md", "# Credence\n")
        self.put("src/README.md", (LINT.parents[2] / "src" / "README.md").read_text(encoding="utf-8"))
        self.put("src/ops/registry.c", "/* All operators. */\n#define OPERATORS(X) X(conv2d)\nint a = op->kind == &crd_op_conv2d;\n")
        self.put("src/ops/registry.h", "/** Shared. Private to this room. */\n")
        self.put("src/graph/json.c", "/* JSON. */\nconst void *spec = op->kind->attrs, *fold = &crd_op_input;\n")
        self.put("src/base/text.h", '/* exit(1) and "printf(" in comments and strings are no calls */\n')
        self.put("include/credence/files.h", "/** Files. Room: io. */\n\n/** Does it. */\nvoid crd_do(void);\n")

    def put(self, name, text):
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text, encoding="utf-8")

    def test_a_clean_tree_has_no_fault(self):
        self.assertEqual(self.lint(self.root), (0, "no fault found\n"))

    def test_every_planted_fault_is_found(self):
        for name, faults in PLANTED.items():
            head = "/** Bad. Room: stats. */\n" if name.endswith("bad.h") else ""
            self.put(name, head + "".join(f"{code}\n\n" for code, _ in faults))
        code, out = self.lint(self.root)
        self.assertEqual(code, 1)
        for name, faults in PLANTED.items():
            lines = [line for line in out.splitlines() if line.startswith(name)]
            for _, message in filter(lambda fault: fault[1], faults):
                self.assertTrue(any(message in line for line in lines), f"{name}: {message}\n{out}")


if __name__ == "__main__":
    unittest.main()
