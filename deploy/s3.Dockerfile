# An S3 server for trials, packed by image.sh where no registry is at hand.
FROM scratch
COPY root /
COPY --chown=65532:65532 buckets /buckets

LABEL org.opencontainers.image.title="versitygw" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 65532:65532
EXPOSE 7070/tcp
ENTRYPOINT ["versitygw"]
