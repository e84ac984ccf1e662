# The service as an image; docs/operations.md tells how it is run. Debian, because glibc is what Node supports first and what is tested;
# argon2 and better-sqlite3 bring binaries for musl too: --build-arg NODE=24.21.0-alpine makes a smaller one.
ARG NODE=24.21.0-bookworm-slim

FROM node:${NODE} AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM node:${NODE}
ENV NODE_ENV=production HOST=0.0.0.0 DATABASE_URL=/data/library.db
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
# What .dockerignore lets in. It stays root's, so that the service cannot change itself.
COPY . .
RUN mkdir -m 700 /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["node", "scripts/healthy.js"]
# No shell and no npm before it: it takes SIGTERM itself, and ends within SHUTDOWN_TIMEOUT.
CMD ["node", "server.js"]
