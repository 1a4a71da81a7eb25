# syntax=docker/dockerfile:1
# The gateway as a container: built with the toolchain's image, run on one without a shell, as nobody in particular.
#
#   docker build -t socket-gateway:0.1.0 .
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --profile dist --locked --bin socket-gateway \
    && install -D target/dist/socket-gateway /out/socket-gateway

FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="socket-gateway" \
      org.opencontainers.image.description="Raw TCP and UDP sockets for any program, in any language, through gRPC" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /out/socket-gateway /usr/local/bin/socket-gateway
USER 65532:65532
EXPOSE 50051 50052 9464
ENTRYPOINT ["/usr/local/bin/socket-gateway"]
CMD ["serve"]
