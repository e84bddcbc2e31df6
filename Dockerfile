# One image for all services. The service is the argument: docker run IMAGE payment
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

# Delete botocore's models of AWS services that the code does not call: a third of the size of all
# dependencies. sso, sso-oidc and signin stay so that the image can run with an AWS profile.
COPY requirements/runtime.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --require-hashes --prefix=/dependencies -r requirements/runtime.txt \
    && find /dependencies/lib/python3*/site-packages/botocore/data -mindepth 1 -maxdepth 1 -type d \
      -not -name cloudwatch -not -name dynamodb -not -name s3 -not -name ses -not -name signin \
      -not -name sns -not -name sqs \
      -not -name sso -not -name sso-oidc -not -name sts -exec rm -r {} +

COPY requirements/build.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY workers workers
RUN pip install --no-deps --no-index --no-build-isolation --no-cache-dir --prefix=/code .

FROM ${PYTHON_IMAGE}
COPY --from=build /dependencies /usr/local
COPY --from=build /code /usr/local
ENV PYTHONDONTWRITEBYTECODE=1
# On Fargate, a volume at /tmp keeps the mode that /tmp has here only if it is declared.
VOLUME /tmp
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --start-interval=2s --retries=3 \
    CMD ["python", "-m", "workers", "healthcheck"]
ENTRYPOINT ["workers", "run"]
ARG REVISION=unknown
ENV REVISION=${REVISION}
LABEL org.opencontainers.image.title="workers" \
      org.opencontainers.image.description="An event-driven order pipeline on SNS and SQS" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
