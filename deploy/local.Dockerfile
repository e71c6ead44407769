# What image.sh packs: a binary that was built outside. A test holds it and the
# last stage of Dockerfile to the same settings.
FROM scratch
COPY root /
COPY --chown=65532:65532 data /data
COPY --chown=65532:65532 shared /shared
COPY --chown=65532:65532 keys /keys

LABEL org.opencontainers.image.title="godwit" \
      org.opencontainers.image.description="Moves big files and survives whatever happens meanwhile" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV GODWIT_DATA_DIR=/data HOME=/data
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 7480/tcp 7481/tcp 7482/tcp 7482/udp
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 CMD ["godwit", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["godwit"]
