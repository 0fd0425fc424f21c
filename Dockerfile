# The server over Streamable HTTP. Off loopback it starts only with SEEDANCE_HTTP_TOKENS; SEEDANCE_HTTP_HOSTS names the outer host.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY deploy/constraints.txt deploy/constraints.txt
COPY seedance_mcp seedance_mcp
RUN pip wheel --no-cache-dir --constraint deploy/constraints.txt --wheel-dir /wheels ".[media,notify,otel,postgres,storage]"

FROM python:3.13-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels "seedance-mcp[media,notify,otel,postgres,storage]" \
    && useradd --create-home --uid 1000 seedance \
    && install -d -o seedance -g seedance /data
USER seedance
WORKDIR /data
ENV SEEDANCE_DATA_DIR=/data/ledger SEEDANCE_OUTPUT_DIR=/data/videos
VOLUME /data
EXPOSE 8931
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["python", "-c", "import urllib.request as http; http.urlopen('http://127.0.0.1:8931/healthz', timeout=4)"]
ENTRYPOINT ["seedance-mcp"]
CMD ["serve", "--transport", "http", "--host", "0.0.0.0"]
