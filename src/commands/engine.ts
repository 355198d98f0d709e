import { homedir } from 'node:os';
import type { EngineClient } from '../image/engine/engine-client.js';
import type { Call } from './command.js';

/** A client of the engine the settings name, or else of the one docker or podman would use. The caller closes it. */
export async function openEngine({ settings, env }: Call): Promise<EngineClient> {
  const [{ EngineClient }, { resolveEngine }] = await Promise.all([
    import('../image/engine/engine-client.js'),
    import('../image/engine/resolve-engine.js'),
  ]);
  return new EngineClient(resolveEngine({ ...settings.engine, env, homeDir: homedir() }));
}
