# The steps are those of scripts/install, which CI runs.
FROM python:3.11-slim-bookworm AS build
WORKDIR /sluice
COPY requirements/run.txt requirements/run.txt
RUN python3 -m venv .venv \
 && .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md ./
COPY policies policies
COPY proxy proxy
RUN .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home sluice
WORKDIR /sluice
COPY --from=build /sluice/.venv .venv
COPY config.yaml config.yaml
USER sluice
EXPOSE 8080
# SLUICE_PORT is the port of the config.yaml in the image: set it to that of a mounted one.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD [".venv/bin/python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:%s/healthz' % (os.environ.get('SLUICE_PORT') or 8080), timeout=2)"]
# Without `auth` the gateway listens on loopback only: run with --network host, or mount a config.yaml that has keys and
# `server.host: 0.0.0.0`.
CMD [".venv/bin/python", "-m", "proxy", "serve", "--config", "config.yaml"]
