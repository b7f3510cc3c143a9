# The runtime on an NVIDIA GPU of a PC or server (x86-64), as a page for browsers. From the checkout's folder:
#
#   docker build -f scripts/docker/cuda.Dockerfile -t latentkeypoint:cuda .
#   docker run --rm --gpus all --device /dev/video0 --group-add video --read-only --tmpfs /tmp \
#     -v latentkeypoint-engines:/var/cache/latentkeypoint -p 127.0.0.1:8080:8080 latentkeypoint:cuda
#
# The host needs NVIDIA's driver (580 or newer, for CUDA 13) and the NVIDIA Container Toolkit, and no --privileged.
# Other commands go behind the name: docker run … latentkeypoint:cuda doctor --provider cuda
# With TensorRT: --build-arg BASE=IMAGE, one of nvcr.io/nvidia/tensorrt with CUDA 13 and TensorRT 10.
ARG BASE=nvidia/cuda:13.0.1-cudnn-runtime-ubuntu24.04

FROM rust:1.92-slim-bookworm AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /src
# The native libraries change less often than the code.
COPY scripts/lib.sh scripts/wheels.sh scripts/setup scripts/
COPY Cargo.toml ./
RUN scripts/setup gpu runtime
COPY Cargo.lock ./
COPY models models
COPY runtime runtime
# The workspace names them; nothing of them is built.
COPY trainer/Cargo.toml trainer/
COPY tests/Cargo.toml tests/
RUN mkdir -p trainer/src tests/src tests/camera-vm/virtual-camera \
    && touch trainer/src/lib.rs trainer/src/main.rs tests/src/lib.rs tests/camera-vm/virtual-camera/main.rs \
    && cargo build --release --locked -p lkg-runtime
RUN mkdir -p /out/models \
    && cp target/release/runtime .cache/onnxruntime/lib/libonnxruntime* /out/ \
    && cp -r models/faces64-edge /out/models/faces64-edge

FROM ${BASE}
# What a window would need is left out: there is none in a container.
COPY --from=build /out /usr/lib/latentkeypoint
RUN ln -s ../lib/latentkeypoint/runtime /usr/bin/runtime \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin latentkeypoint \
    && install -d -m 700 -o latentkeypoint -g latentkeypoint /var/cache/latentkeypoint
ENV XDG_CACHE_HOME=/var/cache/latentkeypoint
USER 10001
WORKDIR /tmp
VOLUME ["/var/cache/latentkeypoint"]
EXPOSE 8080
ENTRYPOINT ["runtime"]
# Other machines than this container are asked for the token that is printed.
CMD ["webcam", "--headless", "--reopen-seconds", "60", "--serve", "8080", "--listen", "0.0.0.0"]
