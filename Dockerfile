# The server over Streamable HTTP. Off loopback it starts only with tokens, an OAuth issuer or people in its ledger (HTTP.md);
# SEEDANCE_HTTP_HOSTS names the outer host.
# Every library is one of deploy/image.lock, byte for byte; --build-arg BASE=python:3.13-slim@sha256:… pins what lies below them.
ARG BASE=python:3.13-slim
FROM ${BASE} AS build
WORKDIR /src
COPY deploy/image.lock deploy/build.lock deploy/
RUN pip download --no-cache-dir --only-binary :all: --require-hashes --dest /wheels --requirement deploy/image.lock \
    && pip install --no-cache-dir --only-binary :all: --require-hashes --requirement deploy/build.lock
COPY pyproject.toml README.md LICENSE ./
COPY seedance_mcp seedance_mcp
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM ${BASE}
# The only wheels there are those of the lock, so no version is chosen here.
# hadolint ignore=DL3013
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels "seedance-mcp[media,notify,otel,postgres,storage]" \
    && useradd --create-home --uid 1000 seedance \
    && install -d -o seedance -g seedance /data
USER 1000
WORKDIR /data
ENV SEEDANCE_DATA_DIR=/data/ledger SEEDANCE_OUTPUT_DIR=/data/videos
VOLUME /data
EXPOSE 8931
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["python", "-c", "import urllib.request as http; http.urlopen('http://127.0.0.1:8931/healthz', timeout=4)"]
ENTRYPOINT ["seedance-mcp"]
CMD ["serve", "--transport", "http", "--host", "0.0.0.0"]
