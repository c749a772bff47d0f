"""The SBOM: what `make sbom` writes is CycloneDX 1.6, by the standard's own schema."""

import sys
import tempfile
from pathlib import Path

from deployment_parts import tools


def check():
    sys.path.insert(0, str(tools.packages()))
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sbom.json"
        tools.run([tools.ROOT / "tests" / "checks" / "supply", "sbom", path])
        text = path.read_text()
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error:
        raise tools.Failed(f"sbom: {error}")
    return "sbom: valid CycloneDX 1.6"
