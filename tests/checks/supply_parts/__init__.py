"""What Meterline is built from: read from cargo, judged by deny.toml, listed as an SBOM."""
