"""Acceptance harness for vLLM deployments on NVIDIA GB10.

    VARIANTS -> preflight -> launch -> Deployment | Diagnosis -> suites -> Record -> reports/

Who may import whom is written here, once, and enforced by `tests/test_imports.py`
(and, while typing, by ruff's TID251).
"""

__version__ = "0.1.0"

LAYERS: tuple[tuple[str, ...], ...] = (
    ("types",),
    ("dialects", "landmarks", "lines", "patterns", "progress", "redact", "rules", "variants"),
    ("api", "diagnosis", "encodings", "failures", "flags", "host", "lease", "record", "resolved"),
    ("roofline", "truth", "verification"),
    ("streams",),
    ("cpu_bench", "diagnose_cli", "difference", "engine", "exposure", "fuzz", "guard", "openai_client"),
    ("bench", "exports", "history", "judgement", "seal", "watch", "weights"),
    ("comparison",),
    ("release",),
    ("launch", "options", "replay", "report", "staging"),
    ("conditions", "lifecycle", "preflight"),
    ("attempt", "records_cli"),
    ("fleet",),
    ("nightly", "perf", "releases_cli"),
    ("cli", "plugin"),
    ("__main__",),
)
"""Rows from the bottom up, a package as one name. A module imports from rows below, a package also from itself."""

ONLY_IMPORTER: dict[str, tuple[str, ...]] = {
    "_pytest": ("fleet",),
    "cryptography": ("fleet", "seal"),
    "dask": ("fleet",),
    "distributed": ("fleet",),
    "docker": ("engine",),
    "httpx": ("api",),
    "httpx2": ("openai_client",),
    "hypothesis": ("fuzz",),
    "jinja2": ("report",),
    "markupsafe": ("report",),
    "openai": ("openai_client",),
    "pydantic": ("record", "types"),
    "pytest": ("plugin",),
    "requests": ("engine",),
    "rich": ("progress",),
    "schemathesis": ("fuzz",),
    "securesystemslib": ("seal",),
    "testcontainers": ("engine",),
}
"""Every third-party library → the modules that may import it, anywhere in the file and for types too."""

HEAVY = (
    "cryptography",
    "dask",
    "distributed",
    "docker",
    "httpx",
    "httpx2",
    "hypothesis",
    "jinja2",
    "openai",
    "requests",
    "rich",
    "schemathesis",
    "securesystemslib",
    "testcontainers",
)
"""Libraries that pytest's collection and `--help` must not load: whoever needs their importers imports them late."""

IN_IMAGE = ("cpu_bench/in_image", "cpu_bench/miniatures/train.py")
"""Code that runs inside the CPU bench's image: its libraries are the image's, its only modules its neighbours."""
