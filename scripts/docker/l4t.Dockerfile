# The runtime on a Jetson with JetPack 6 (Orin), as a page for browsers. On the Jetson, from the checkout's folder:
#
#   docker build -f scripts/docker/l4t.Dockerfile -t latentkeypoint:l4t .
#   docker run --rm --runtime nvidia --device /dev/video0 --group-add video --read-only --tmpfs /tmp \
#     -v latentkeypoint-engines:/var/cache/latentkeypoint -p 127.0.0.1:8080:8080 latentkeypoint:l4t
#
# BASE and L4T go together: JetPack 6.1 and 6.2 are l4t-jetpack:r36.4.0 and 36.4.0, JetPack 6.0 is r36.3.0 and 36.3.0.
# The ONNX Runtime that scripts/jetson/install picks has CUDA without TensorRT; to take another wheel put it into the
# checkout as wheels/NAME.whl and add --build-arg WHEEL=NAME.whl. No --privileged is needed. A CSI camera
# also needs: -v /tmp/argus_socket:/tmp/argus_socket (and then --tmpfs /tmp must go).
ARG BASE=nvcr.io/nvidia/l4t-jetpack:r36.4.0

# JetPack's C library is newer than this one's.
FROM rust:1.92-slim-bullseye AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ARG L4T=36.4.0
ARG WHEEL=
WORKDIR /src
COPY scripts/lib.sh scripts/wheels.sh scripts/setup scripts/
COPY scripts/jetson scripts/jetson
COPY Cargo.toml ./
RUN scripts/setup runtime
# The wheel is picked by JetPack's version; no folder of that name is no error.
COPY wheel[s] wheels
RUN mkdir -p /l4t/etc /out/models \
    && echo "# R${L4T%%.*} (release), REVISION: ${L4T#*.}," > /l4t/etc/nv_tegra_release \
    && LKG_ROOT=/l4t scripts/jetson/install --into /out ${WHEEL:+--wheel "wheels/$WHEEL"}
COPY Cargo.lock ./
COPY models models
COPY runtime runtime
# The workspace names them; nothing of them is built.
COPY trainer/Cargo.toml trainer/
COPY tests/Cargo.toml tests/
RUN mkdir -p trainer/src tests/src tests/camera-vm/virtual-camera \
    && touch trainer/src/lib.rs trainer/src/main.rs tests/src/lib.rs tests/camera-vm/virtual-camera/main.rs \
    && cargo build --release --locked -p lkg-runtime \
    && cp target/release/runtime /out/ \
    && cp -r models/faces64-edge /out/models/faces64-edge

FROM ${BASE}
COPY --from=build /out /usr/lib/latentkeypoint
RUN ln -s ../lib/latentkeypoint/runtime /usr/bin/runtime \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin --groups video latentkeypoint \
    && install -d -m 700 -o latentkeypoint -g latentkeypoint /var/cache/latentkeypoint
ENV XDG_CACHE_HOME=/var/cache/latentkeypoint
USER 10001
WORKDIR /tmp
VOLUME ["/var/cache/latentkeypoint"]
EXPOSE 8080
ENTRYPOINT ["runtime"]
# Other machines than this container are asked for the token that is printed.
CMD ["webcam", "--headless", "--reopen-seconds", "60", "--serve", "8080", "--listen", "0.0.0.0"]
