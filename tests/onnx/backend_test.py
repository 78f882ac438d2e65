"""The official ONNX backend tests (Debian's libonnx-testdata) through the importer: backend_test.py PROGRAM [DATA]. Prints how many
pass as a network, how many by the folding of constants, and every other one with the reason. Fails if one gives a wrong answer, or
if fewer pass than FEWEST."""
import collections
import pathlib
import subprocess
import sys

FEWEST = {"node": 685, "pytorch-converted": 79, "pytorch-operator": 35, "simple": 7}


def main():
    program = sys.argv[1]
    data = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "/usr/share/libonnx-testdata/data")
    if not data.is_dir():
        print(f"{data} is not there (Debian: libonnx-testdata)")
        return 77
    faults, totals = [], collections.Counter()
    for kind, fewest in FEWEST.items():
        folders = sorted(str(path) for path in (data / kind).iterdir() if (path / "model.onnx").exists())
        done = subprocess.run([program, *folders], capture_output=True, text=True, check=False)
        lines = [line.split(" ", 1) for line in done.stdout.splitlines()]
        if done.returncode != 0 or len(lines) != len(folders):
            faults.append(f"{kind}: the program ended with {done.returncode} after {len(lines)} of {len(folders)} tests")
        counts = collections.Counter(text.split(":")[0].split(" ")[0] for _, text in lines)
        totals += counts
        print(f"{kind}: {counts['network']} as networks, {counts['folded']} folded, {counts['lacking']} lacking, {counts['wrong']} wrong")
        for name, text in lines:
            if text.startswith(("lacking", "wrong")):
                print(f"  {name}: {text}")
            if text.startswith("wrong"):
                faults.append(f"{name}: {text}")
        if counts["network"] + counts["folded"] < fewest:
            faults.append(f"{kind}: {counts['network'] + counts['folded']} pass, needed are {fewest}")
    print(f"all: {totals['network']} as networks, {totals['folded']} folded: {totals['network'] + totals['folded']} pass; "
          f"{totals['lacking']} lacking, {totals['wrong']} wrong")
    print("\n".join(faults) if faults else "no fault found")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
