import { EXIT_CODES } from '../core/errors.js';
import { renderTable } from '../ui/table.js';
import { LEVEL_SETTING, NESTED_SETTING, PARITY_SETTING, SETTINGS, SHARE_SETTING } from './settings.js';

/** A text of `dbup help` that belongs to no command. */
export interface HelpTopic {
  name: string;
  does: string;
  content(): { lines: readonly string[]; json?: object };
}

export const HELP_TOPICS: readonly HelpTopic[] = [
  {
    name: 'addresses',
    does: 'how images and versions are named',
    content: () => ({ lines: ADDRESSES.split('\n') }),
  },
  { name: 'environment', does: 'variables and the config file', content: environment },
  { name: 'exit-codes', does: 'the table of exit codes', content: exitCodes },
  {
    name: 'json',
    does: 'what --json and --progress json print',
    content: () => ({ lines: JSON_TOPIC.split('\n') }),
  },
  { name: 'rsync', does: 'how to copy a pool', content: () => ({ lines: RSYNC.split('\n') }) },
];

export function topicNames(): string[] {
  return HELP_TOPICS.map(({ name }) => name);
}

function exitCodes(): { lines: string[]; json: object } {
  const codes = Object.entries(EXIT_CODES).map(([name, { code, meaning }]) => ({ code, name, meaning }));
  const rows = codes.map(({ code, meaning }) => [String(code), meaning]);
  return {
    lines: renderTable([{ title: 'CODE', align: 'right' }, { title: 'MEANING' }], rows),
    json: { exitCodes: codes },
  };
}

function environment(): { lines: string[] } {
  const settings = [...Object.values(SETTINGS), LEVEL_SETTING, NESTED_SETTING, PARITY_SETTING, SHARE_SETTING];
  const rows = settings.map(({ flags, env, key, otherwise }) => [flags, env, key, otherwise]);
  const titles = ['OPTION', 'VARIABLE', 'IN THE CONFIG FILE', 'OTHERWISE'];
  return {
    lines: [
      'A setting is taken from the option, else from the variable, else from the config file, else it is the',
      'default. The config file is $XDG_CONFIG_HOME/dbup/config.json (~/.config/dbup/config.json), one JSON object',
      'such as {"pool": "/srv/dbup", "level": 6}; it need not exist, and a key it does not know is an error.',
      '',
      ...renderTable(
        titles.map((title) => ({ title })),
        rows,
      ),
      '',
      'The engine, where no option, variable or config file of dbup names it: DOCKER_HOST, DOCKER_CONTEXT, the',
      'current docker context, CONTAINER_HOST, and then the first of the sockets of docker and podman there is.',
      'DOCKER_TLS_VERIFY, DOCKER_CERT_PATH and CONTAINER_SSHKEY mean what they mean to docker and podman.',
      '',
      'NO_COLOR       no colour, whatever its value',
      'DBUP_DEBUG=1   show the stack of an error',
    ],
  };
}

const ADDRESSES = `Versions in the pool:
  app:1.0                 the current version (app is app:latest)
  app:1.0~1               the version before the current one, app:1.0~2 the one before that
  app:1.0@3f1ac2d4        the snapshot whose id begins so; \`dbup log\` shows the ids
  app@sha256:3f1ac2d4     the version with this image id or manifest digest, of any tag of app
  sha256:3f1ac2d4         the same, of any image

What \`save\` takes and \`load -o\` writes, spelled as skopeo spells it:
  app:1.0                       an image of the docker engine (save)
  docker-daemon:app:1.0         the same
  docker-archive:FILE[:ref]     a tar of \`docker save\`
  oci-archive:FILE[:ref]        a tar of an OCI layout
  oci:DIR[:tag]                 a directory with an OCI layout
  FILE                          load: the tar that was saved; save: with -i, either kind of tar
  -                             standard input (save -i -) or standard output (load -o -)`;

const JSON_TOPIC = `With --json a command prints one JSON document on standard output, on success only:
  {"schema_version": 1, "command": "ls", ...}
Sizes are in bytes, times in ISO 8601 UTC, durations in milliseconds.

Standard error then holds JSON lines, one object a line:
  {"schema_version": 1, "type": "warning", "message": "...", "hint": "..."}
  {"schema_version": 1, "type": "note", "message": "..."}
  {"schema_version": 1, "type": "error", "command": "load",
   "error": {"code": "SNAPSHOT_NOT_FOUND", "message": "...", "hint": "...", "details": {}, "exit_code": 12}}
With --progress json also, with or without --json:
  {"schema_version": 1, "type": "start", "task": "...", "subject": "...", "total_bytes": 1000}
  {"schema_version": 1, "type": "bytes", "task": "...", "done_bytes": 500, "total_bytes": 1000}
  {"schema_version": 1, "type": "end", "task": "..."}

A field is never removed and never changes its meaning within one schema_version; fields may be added.
docs/json.md describes the fields of every command.`;

const RSYNC = `A pool is a directory of files that never change. Copy it with whatever copies files, at any moment:

  rsync -a pool/ host:pool/                    push; only new files travel
  rsync -a host:pool/ pool/                    pull
  rsync -a --delete-after pool/ host:pool/     an exact mirror, also of what rm and gc removed
  rsync -a a/ b/ && rsync -a b/ a/             the union of two pools

With --exclude=/tmp/ a sync beside a running save leaves out what the save has not finished.

A copy taken while a save or a gc runs, or one that was cut off, loads every version exactly or says that it is
incomplete (exit code 13): run the same rsync again. The catalog is not in the pool and is made again wherever
it is missing. \`dbup verify --read-data\` checks every byte of a copy.`;
