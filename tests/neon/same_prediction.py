"""Are two predictions, as printed by `predict --json`, the same but for the last bits of sums: same_prediction.py A.json B.json."""
import json
import math
import sys


def differences(a, b, path):
    """Sums of convolutions may differ in their last bits between CPUs; names, classes and votes may not."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return [d for key in a if key != "seconds" for d in differences(a[key], b[key], f"{path}.{key}")]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [d for i, pair in enumerate(zip(a, b)) for d in differences(*pair, f"{path}[{i}]")]
    if isinstance(a, float) and isinstance(b, float):
        return [] if math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-6) else [f"{path}: {a} and {b}"]
    return [] if a == b else [f"{path}: {a} and {b}"]


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


found = differences(read(sys.argv[1]), read(sys.argv[2]), "")
print("\n".join(found) or "the predictions are the same")
sys.exit(bool(found))
