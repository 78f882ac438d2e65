"""The rules of the house that a compiler does not check, the tables of jobs/README.md among them: rooms.py [ROOT]. A line a fault."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]).resolve()
SOURCES = sorted(path for path in (ROOT / "src").rglob("*.[ch]"))
PUBLIC = sorted((ROOT / "include" / "credence").glob("*.h"))

# Rooms and the rooms they may use. Never backwards, never around.
LOW = ["base", "tensor", "rng", "kernels"]
NETWORK = ["conv", "ops", "graph"]
MAY_USE = {
    "base": [],
    "tensor": ["base"],
    "rng": ["base"],
    "kernels": ["base", "tensor", "rng"],
    "conv": LOW,
    "ops": LOW + ["conv"],
    "graph": LOW + ["ops"],
    "zoo": LOW + NETWORK,
    "image": LOW,
    "weights": LOW + NETWORK,
    "bayes": LOW + NETWORK + ["weights", "image"],
    "stats": LOW,
    "reduce": LOW + ["stats"],
    "optim": LOW,
    "chains": LOW,
    "comm": ["base"],
    "engine": LOW + NETWORK + ["zoo", "weights", "bayes", "reduce", "stats", "image", "optim", "chains", "comm"],
    "io": LOW + NETWORK + ["zoo", "weights", "bayes", "reduce", "stats", "image", "chains"],
    "import": LOW + NETWORK + ["zoo", "weights", "bayes", "reduce", "stats", "image"],
    "app": LOW + NETWORK + ["zoo", "weights", "bayes", "reduce", "stats", "image", "optim", "chains", "comm", "engine", "io", "import"],
    "report": LOW + NETWORK + ["zoo", "weights", "bayes", "reduce", "stats", "image", "optim", "chains", "comm", "engine", "io", "import", "app"],
    "cli": LOW + NETWORK + ["zoo", "weights", "bayes", "reduce", "stats", "image", "optim", "chains", "comm", "engine", "io", "import", "app", "report"],
}
# Headers of libraries, and the only places that may include them.
ONLY_IN = {
    r"cblas\.h": r"src/kernels/gemm\.c",
    r"mpi\.h": r"include/credence/mpi\.h",
    r"hdf5(_hl)?\.h|H5.*\.h": r"src/io/.*",
    r"jpeglib\.h|jerror\.h": r"src/image/.*",
    r"setjmp\.h": r"src/image/.*",
    r"zip\.h": r"src/import/.*",
    r"onnx\.pb-c\.h|protobuf-c/.*": r"src/import/onnx/.*",
    r"assert\.h": r"nowhere",
}
BANNED = r"\b(strcpy|strcat|sprintf|vsprintf|strtok|gets|atoi|atol|atof|rand|srand|alloca|tmpnam|system|popen)\s*\("
# crd_comm_abort's one-process body ends the process: that is what it promises. Processes that read files are ended where they begin.
MAY_END = ("src/comm/comm_self.c", "src/io/h5_process.c")
ENDS_OR_PRINTS = r"(?<![>.])\b(exit|_exit|_Exit|abort|printf|fprintf|vprintf|vfprintf|puts|fputs|putchar|perror)\s*\("

faults = []


def room_of_header(path):
    """What the header's first comment says: "Room: graph."; the base where it says nothing."""
    found = re.search(r"Room:[\s*]*(\w+)", path.read_text(encoding="utf-8").split("*/")[0]) if path.exists() else None
    return found.group(1) if found else "base"


def fault(path, text, line=None):
    place = path.relative_to(ROOT) if path.is_absolute() else path
    faults.append(f"{place}{':' + str(line) if line else ''}: {text}")


def without_comments(text):
    """Comments and strings blanked, lines kept."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"'
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)


def check_includes():
    for path in SOURCES + PUBLIC:
        name = str(path.relative_to(ROOT))
        is_public = path in PUBLIC
        room = room_of_header(path) if is_public else path.relative_to(ROOT / "src").parts[0]
        if room not in MAY_USE:
            fault(path, "its room is not in tests/lint/rooms.py")
            continue
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+([<"])(.*)[>"]', text)
            if not found:
                continue
            quote, header = found.groups()
            for library, allowed in ONLY_IN.items():
                if quote == "<" and re.fullmatch(library, header) and not re.fullmatch(allowed, name):
                    fault(path, f"<{header}> belongs to {allowed}", line)
            if is_public and quote == "<" and header not in ("stdbool.h", "stdint.h", "stddef.h", "mpi.h"):
                fault(path, f"public headers show only C11 and Credence types, not <{header}>", line)
            if quote == "<":
                continue
            folder = header.split("/")[0]
            other = room_of_header(ROOT / "include" / header) if folder == "credence" else folder
            if other != room and other not in MAY_USE[room]:
                fault(path, f'room {room} may not use "{header}" of room {other}', line)


def check_calls():
    for path in SOURCES:
        name = str(path.relative_to(ROOT))
        code = without_comments(path.read_text(encoding="utf-8"))
        for line, text in enumerate(code.splitlines(), 1):
            if re.search(BANNED, text):
                fault(path, "banned function", line)
            may = name in MAY_END or name.startswith(("src/cli/", "src/report/"))
            if not may and re.search(ENDS_OR_PRINTS, text):
                fault(path, "only the program ends or prints", line)
            if path.name != "main.c" and re.search(r"\bexit\s*\(", text):
                fault(path, "only main.c ends the program", line)


COMMAND_LINES = 130


def check_commands():
    """The command line parses, calls and prints: what computes is in src/app, what formats in src/report."""
    for path in SOURCES:
        if path.relative_to(ROOT / "src").parts[0] != "cli":
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        if path.name.startswith("cmd_") and len(lines) > COMMAND_LINES:
            fault(path, f"longer than {COMMAND_LINES} lines: what computes belongs to src/app, what formats to src/report")
        for line, text in enumerate(lines, 1):
            if re.match(r"\s*#\s*include\s+<math\.h>", text):
                fault(path, "no maths in src/cli", line)


def check_operators():
    """What an operator is, only src/ops knows: others neither compare operators nor read their attributes."""
    registry = ROOT / "src" / "ops" / "registry.c"
    operators = re.findall(r"\bX\((\w+)\)", registry.read_text(encoding="utf-8")) if registry.exists() else []
    table = r"\bcrd_op_(" + "|".join(["", *operators]).strip("|") + r")\b"
    op = r"(\bop|\bops\[[^]]*\]|\bop_at\([^;=]*\))(->|\.)kind\b"
    compares = op + r"\s*[!=]=(?!\s*NULL)|[!=]=\s*" + op + r"|\bstrcmp\s*\([^;]*(kind->name|crd_network_op_kind\s*\()"
    reads = r"(?<!kind)->attrs\b"
    owner = "src/graph/graph.c"  # which allocates and frees them
    for path in SOURCES:
        name = str(path.relative_to(ROOT))
        if name.startswith("src/ops/"):
            continue
        for line, text in enumerate(without_comments(path.read_text(encoding="utf-8")).splitlines(), 1):
            if operators and re.search(table, text):
                fault(path, "only src/ops names an operator", line)
            if re.search(compares, text):
                fault(path, "only src/ops compares operators: ask the table (ops/op.h)", line)
            if name != owner and re.search(reads, text):
                fault(path, "only src/ops reads an operator's attributes", line)


def check_private_headers():
    """A header that says "Private to this room" is included from its own room only."""
    private = {str(path.relative_to(ROOT / "src")) for path in SOURCES if path.suffix == ".h"
               and "Private to this room" in path.read_text(encoding="utf-8").split("*/")[0]}
    for path in SOURCES:
        room = path.relative_to(ROOT / "src").parts[0]
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+"(.*)"', text)
            if found and found.group(1) in private and not found.group(1).startswith(room + "/"):
                fault(path, f'"{found.group(1)}" is private to its room', line)


def check_names():
    seen = {}
    for path in SOURCES + PUBLIC:
        if path.name in seen:
            fault(path, f"the name is taken by {seen[path.name].relative_to(ROOT)}")
        seen[path.name] = path


def check_documented():
    """Every public function stands in a paragraph that begins with its contract."""
    for path in PUBLIC:
        line = 1
        for paragraph in path.read_text(encoding="utf-8").split("\n\n"):
            code = without_comments(paragraph)
            found = re.search(r"^(?!typedef|#|extern|struct|static)[a-z].*?\b(crd_\w+)\(", code, re.M)
            if found and "/**" not in paragraph[:found.start()]:
                fault(path, f"{found.group(1)} has no contract above it", line)
            line += paragraph.count("\n") + 2


def check_headers_alone():
    """Each public header compiles on its own, as strict C11 and as C++ if there is a compiler for it."""
    compilers = [([os.environ.get("CC", "cc"), "-std=c11", "-Wstrict-prototypes"], "c")]
    if subprocess.run(["sh", "-c", "command -v g++"], capture_output=True, check=False).returncode == 0:
        compilers.append((["g++", "-std=c++11"], "cpp"))
    flags = ["-fsyntax-only", "-pedantic-errors", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror",
             f"-I{ROOT / 'include'}"]
    with tempfile.TemporaryDirectory() as folder:
        for header in PUBLIC:
            if header.name in ("mpi.h", "credence.h"):
                continue # need MPI's own flags, and version.h of a build; tests/cli/examples_test.py compiles the second
            for command, suffix in compilers:
                source = pathlib.Path(folder) / f"alone.{suffix}"
                source.write_text(f'#include "credence/{header.name}"\nint main({"void" if suffix == "c" else ""}) '
                                  "{ return 0; }\n", encoding="utf-8")
                done = subprocess.run([*command, *flags, source], capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    error = next(text for text in done.stderr.splitlines() if "error" in text)
                    fault(header, f"does not compile alone ({command[0]}): {error}")


def check_text():
    endings = {".c", ".h", ".py", ".sh", ".md", ".txt", ".cmake", ".in"}
    for folder in ("src", "include", "tests", "jobs", "data"):
        for path in sorted((ROOT / folder).rglob("*")):
            if not path.is_file() or path.suffix not in endings or "golden" in path.parts:
                continue
            content = path.read_text(encoding="utf-8")
            for line, text in enumerate(content.split("\n"), 1):
                if text != text.rstrip():
                    fault(path, "blank at the end of the line", line)
            if content and not content.endswith("\n"):
                fault(path, "no end of line at the end")


def check_readme():
    """The tables of jobs/README.md are the program's own; every command answers -h."""
    readme = ROOT / "jobs" / "README.md"
    program = os.environ.get("CREDENCE_PROGRAM")
    if not program:
        fault(readme, "not checked: CREDENCE_PROGRAM is not set")
        return
    made = subprocess.run([program, "help", "--markdown"], capture_output=True, text=True, check=True).stdout
    if made.strip() not in readme.read_text(encoding="utf-8"):
        fault(readme, "its tables differ from `credence help --markdown`: paste them anew")
    for command in re.findall(r"^\| `(\w+)", made.split("\n\n")[0], re.M):
        done = subprocess.run([program, command, "-h"], capture_output=True, text=True, check=False)
        if done.returncode != 0 or f"usage: credence {command}" not in done.stdout:
            fault(readme, f"{command} -h does not show its usage")


def check_drawing():
    """src/README.md draws every room that there is."""
    path = ROOT / "src" / "README.md"
    drawing = path.read_text(encoding="utf-8").partition("```")[2].partition("```")[0]
    for room in MAY_USE:
        if not re.search(rf"\b{room}\b", drawing):
            fault(path, f"does not draw room {room}")


FRONT_PAGE_LINES, FRONT_PAGE_COLUMNS = 150, 120


def check_front_page():
    """README.md is read in two minutes: short, and with no line wider than its prose may be outside of what programs print."""
    path = ROOT / "README.md"
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) > FRONT_PAGE_LINES:
        fault(path, f"longer than {FRONT_PAGE_LINES} lines: details belong into the README.md of a folder")
    is_code = False
    for line, text in enumerate(lines, 1):
        is_code ^= text.startswith("```")
        if not is_code and len(text) > FRONT_PAGE_COLUMNS:
            fault(path, f"wider than {FRONT_PAGE_COLUMNS} columns", line)


# What of a value may be read, by the type of the option.
READ_AS = {"FLAG": {"integer", "crd_opt_flag"}, "INT64": {"integer", "crd_opt_int"}, "DOUBLE": {"number", "crd_opt_number"},
           "DURATION": {"number", "crd_opt_number"}, "INT64S": {"numbers", "n_numbers"}, "DOUBLES": {"numbers", "n_numbers"},
           "TEXT": {"text", "crd_opt_text"}, "TEXTS": {"texts", "n_texts"},
           "CHOICE": {"integer", "text", "crd_opt_choice", "crd_opt_text"}}


def check_option_types():
    """No option is read as another type than the table gives it: the fields of a value would silently be 0."""
    table = ROOT / "src/cli/option_table.c"
    if not table.exists():
        return
    types = dict(re.findall(r"\[(CRD_OPT_\w+)\] = \{.*?\.type\s*=\s*CRD_OPTION_(\w+)", table.read_text(encoding="utf-8"), re.S))
    for path in sorted((ROOT / "src/cli").glob("*.c")):
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            reads = [(option, field) for option, field in re.findall(r"(CRD_OPT_\w+)(?:\]\.|\)->)(\w+)", text)]
            reads += [(option, name) for name, option in re.findall(r"(crd_opt_(?!given)\w+)\([^()]*?(CRD_OPT_\w+)\)", text)]
            for option, field in reads:
                if field != "given" and field not in READ_AS[types[option]]:
                    fault(path, f"{option} is a {types[option]}, and not read by {field}", line)


COMMENT_COLUMNS = 100


def check_comments():
    """Every .c file opens with what it is; comments are within the width that is read well."""
    for path in SOURCES + PUBLIC:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".c" and not text.startswith(("/*", "//")):
            fault(path, "does not open with a comment that says what it is", 1)
        lines = text.split("\n")
        bare = re.sub(r'"(?:\\.|[^"\\\n])*"', lambda m: "\"" + " " * (len(m.group()) - 2) + "\"", text)
        for comment in re.finditer(r"/\*.*?\*/|//[^\n]*", bare, re.S):
            first = bare.count("\n", 0, comment.start())
            for line in range(first, first + comment.group().count("\n") + 1):
                if len(lines[line].rstrip("\\ ")) > COMMENT_COLUMNS:
                    fault(path, f"a comment beyond column {COMMENT_COLUMNS}", line + 1)


def check_limits():
    """No test has a time limit of its own: each would be too short on some machine. See tests/CMakeLists.txt and program.py."""
    for path in sorted((ROOT / "tests").rglob("*")):
        pattern = {".py": r"\btimeout=\d", ".txt": r"\bTIMEOUT \d"}.get(path.suffix)
        if pattern is None or (path.suffix == ".txt" and path.name != "CMakeLists.txt") or "bench" in path.parts \
                or path.name == "rooms_test.py": # it plants one
            continue
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if re.search(pattern, text):
                fault(path, "a time limit of its own", line)


for check in (check_includes, check_calls, check_commands, check_operators, check_private_headers, check_names, check_documented,
              check_headers_alone, check_text, check_comments, check_limits, check_option_types, check_readme,
              check_front_page, check_drawing):
    check()
print("\n".join(faults) if faults else "no fault found")
sys.exit(1 if faults else 0)
