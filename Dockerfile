# dbup in a container. Build: docker build -t dbup .   Use: see docs/operations.md, "In a container".
FROM node:20-bookworm AS build
WORKDIR /dbup
COPY . .
# The headers that came with this Node: nothing is fetched but packages.
RUN npm_config_nodedir=/usr/local npm ci && npm prune --omit=dev --ignore-scripts

FROM node:20-bookworm-slim
# rsync and ssh: for a sync from inside the container, and for engines behind ssh://.
RUN apt-get update \
 && apt-get install -y --no-install-recommends openssh-client rsync \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /dbup/package.json /dbup/LICENSE /dbup/
COPY --from=build /dbup/node_modules /dbup/node_modules
COPY --from=build /dbup/dist /dbup/dist
RUN ln -s /dbup/dist/cli.js /usr/local/bin/dbup && mkdir -m 1777 /pool /cache
ENV DBUP_POOL=/pool DBUP_CACHE_DIR=/cache
VOLUME ["/pool", "/cache"]
WORKDIR /work
ENTRYPOINT ["dbup"]
