# syntax=docker/dockerfile:1
# Three stages: the dashboard, the binary with it, and what runs. FEATURES="" leaves the cluster store out.
FROM node:22-bookworm-slim AS dashboard
WORKDIR /src
COPY web web
COPY verifiers/typescript verifiers/typescript
COPY examples examples
COPY sdk/python/pyproject.toml sdk/python/
COPY sdk/typescript/package.json sdk/typescript/
RUN web/build.sh

FROM rust:1-bookworm AS build
ARG FEATURES="cluster"
WORKDIR /src
COPY . .
COPY --from=dashboard /src/web/dist web/dist
RUN cargo build --release --locked -p exhibit-cli --features "$FEATURES"

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin exhibit \
 && install -d -o exhibit -g exhibit -m 0700 /data
COPY --from=build /src/target/release/exhibit /usr/local/bin/exhibit
COPY rules /etc/exhibit/rules
USER 10001:10001
# Everything that is written goes to /data, so the root may be read-only.
VOLUME /data
ENV EXHIBIT_DATA_DIR=/data EXHIBIT_RULES_DIR=/etc/exhibit/rules
EXPOSE 3000 8000 4317 4318
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:3000/api/v1/health"]
ENTRYPOINT ["exhibit"]
CMD ["serve", "--listen", "0.0.0.0:3000", "--listen", "0.0.0.0:8000", "--otlp-http", "0.0.0.0:4318", "--otlp-grpc", "0.0.0.0:4317"]
