# The HTTP API in a container: `incognito serve` as a user without rights, on a root that may be read-only.
# docs/studio.md says how it is built, run and measured.

FROM debian:bookworm-slim AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN python3 -m venv /opt/incognito \
 && /opt/incognito/bin/pip install --no-cache-dir --only-binary :all: hatchling==1.33.0 \
 && /opt/incognito/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/incognito/bin/pip uninstall --yes hatchling packaging pathspec pluggy trove-classifiers \
 && /opt/incognito/bin/pip install --no-cache-dir --only-binary :all: -c constraints.txt "$(echo /wheels/*.whl)[studio]" \
 && /opt/incognito/bin/pip uninstall --yes pip setuptools \
 && /opt/incognito/bin/python -m compileall -q /opt/incognito/lib

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin incognito
COPY --from=build /opt/incognito /opt/incognito
ENV PATH=/opt/incognito/bin:/usr/bin:/bin \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001
EXPOSE 8765
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8765/healthz', timeout=3)"]
ENTRYPOINT ["incognito"]
CMD ["serve", "--host", "0.0.0.0"]
