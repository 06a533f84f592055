# The steps are those of scripts/install, which CI runs.
# The base image is pinned by its digest, which is that of all its architectures together. To move to a newer one, run
# `docker buildx imagetools inspect python:3.11-slim-bookworm` and change ARG BASE.
ARG BASE=python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
FROM ${BASE} AS build
WORKDIR /sluice
COPY requirements/run.txt requirements/run.txt
RUN python3 -m venv .venv \
 && .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md ./
COPY policies policies
COPY proxy proxy
RUN .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation .

FROM ${BASE}
RUN useradd --system --uid 10001 --no-create-home sluice
WORKDIR /sluice
COPY --from=build /sluice/.venv .venv
COPY config.yaml config.yaml
USER sluice
EXPOSE 8080
# The check asks at the port of the configuration file in use.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD [".venv/bin/python", "-m", "proxy", "health", "--config", "config.yaml"]
# Without `auth` the gateway listens on loopback only: run with --network host, or mount a config.yaml that has keys and
# `server.host: 0.0.0.0`.
CMD [".venv/bin/python", "-m", "proxy", "serve", "--config", "config.yaml"]
