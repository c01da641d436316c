# syntax=docker/dockerfile:1
# Any stage of the pipeline: `docker run IMAGE collector …`; by default all of it, on port 9090.

FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE requirements-dev.txt ./
COPY pipeline pipeline
COPY src src
# The wheels of this checkout, with the versions of its dependencies that the tests ran with.
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && sed -n 's/^\([a-z0-9._-]*==.*\) \\$/\1/p' requirements-dev.txt > /wheels/constraints.txt
RUN python -m venv --without-pip /opt/whiteout \
    && wheel=$(echo /wheels/whiteout-*.whl) \
    && pip --python /opt/whiteout install --no-cache-dir \
        --constraint /wheels/constraints.txt "$wheel[fast,kafka,web]"

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin whiteout \
    && install --directory --mode=0700 --owner=whiteout /data
COPY --from=build /opt/whiteout /opt/whiteout
ENV PATH=/opt/whiteout/bin:$PATH PYTHONUNBUFFERED=1 WHITEOUT_DATA=/data
USER 10001
VOLUME /data
EXPOSE 9090
# Of the stages that listen; compose.yaml switches it off for the others.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD \
    ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9090/health', timeout=4)"]
ENTRYPOINT ["whiteout"]
CMD ["up", "--host", "0.0.0.0"]
