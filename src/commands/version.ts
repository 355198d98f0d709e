import { readFileSync } from 'node:fs';
import { defineCommand, type Outcome } from './command.js';

export const versionCommand = defineCommand<object, null>({
  name: 'version',
  summary: 'show the version of dbup and of the pool format',
  examples: [
    { command: 'dbup version', does: 'for people' },
    { command: 'dbup version --json', does: 'for programs' },
  ],
  access: 'none',
  parse: () => null,
  async run(): Promise<Outcome> {
    const { POOL_FORMAT } = await import('../format/descriptor.js');
    const version = packageVersion();
    const { node, platform, arch } = {
      node: process.versions.node,
      platform: process.platform,
      arch: process.arch,
    };
    const line = `dbup ${version} (pool format ${POOL_FORMAT}, node ${node}, ${platform}/${arch})`;
    return {
      json: { version, poolFormat: POOL_FORMAT, node, platform, arch },
      lines: [line],
      quietLines: [version],
    };
  },
});

/** As package.json has it, which stands above the built files wherever they are installed. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
