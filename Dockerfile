# One image for every service of ours; docker-compose.yml says what each container runs.

FROM python:3.11.15-slim-bookworm AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/kota/venv
COPY requirements.lock /tmp/requirements.lock
# Wheels only: nothing is compiled, here or later.
RUN /opt/kota/venv/bin/python -m pip install --require-hashes --only-binary :all: --requirement /tmp/requirements.lock

FROM python:3.11.15-slim-bookworm
# A fixed number, so that volumes keep their owner; Mosquitto's container runs as the same.
RUN groupadd --gid 10001 kota \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin kota \
    && install --directory --owner 10001 --group 10001 --mode 0700 /var/lib/kota /srv/mosquitto/config /srv/mosquitto/state \
    && printf '#!/bin/sh\nexec python -m city "$@"\n' >/usr/local/bin/kota \
    && chmod 0755 /usr/local/bin/kota
COPY --from=packages /opt/kota/venv /opt/kota/venv
ENV PATH=/opt/kota/venv/bin:$PATH PYTHONPATH=/opt/kota/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    KOTA_DATA=/var/lib/kota
COPY broker /opt/kota/app/broker
COPY city /opt/kota/app/city
COPY dispatch /opt/kota/app/dispatch
COPY edge /opt/kota/app/edge
COPY grafana /opt/kota/app/grafana
COPY ingest /opt/kota/app/ingest
COPY people /opt/kota/app/people
COPY vision /opt/kota/app/vision
COPY api /opt/kota/app/api
# Bytecode once and here, since no container may write it; readable for everybody, however private the checkout is.
RUN python -m compileall -q /opt/kota/app && chmod -R a+rX /opt/kota/app
USER 10001:10001
WORKDIR /var/lib/kota
STOPSIGNAL SIGTERM
ENTRYPOINT ["kota"]
CMD ["--help"]
