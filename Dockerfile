# syntax=docker/dockerfile:1
# The `meterline` command as a small image without root. Build from the repository's root:
#
#     docker build --tag meterline:0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" .
#
# `tests/checks/deployment` lints this file and compares the libraries that the program loads with
# those that the last stage installs.

FROM rust:1.95.0-slim-bookworm AS builder
# What the crates with C inside need: librdkafka (make, C++ for its configure, OpenSSL), aws-lc and
# zstd.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ libssl-dev make perl pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches keep crates and object files from one build to the next, so only what changed is
# compiled; the program is copied out of them because they are not part of the image. Debug
# information goes, symbols stay: a backtrace still names its functions, at a fifth of the size.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin meterline \
    && strip --strip-debug -o /usr/local/bin/meterline target/release/meterline

FROM debian:bookworm-slim
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Meterline" \
      org.opencontainers.image.description="Turns usage events in Kafka into exact buckets in ClickHouse" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# OpenSSL is librdkafka's; certificates are for brokers, ClickHouse and object stores alike.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 meterline \
    && useradd --no-log-init --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin meterline \
    && install --directory --owner 10001 --group 10001 /var/lib/meterline
COPY --from=builder /usr/local/bin/meterline /usr/local/bin/meterline
COPY --from=builder /src/schemas/catalogs /usr/share/meterline/catalogs
COPY --from=builder /src/LICENSE /usr/share/doc/meterline/LICENSE
# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/meterline
VOLUME ["/var/lib/meterline"]
# Health and metrics; the API.
EXPOSE 9464 8420
# No HEALTHCHECK: the image also runs commands that end; whoever runs a stage asks /health/ready.
ENTRYPOINT ["/usr/local/bin/meterline"]
CMD ["--help"]
