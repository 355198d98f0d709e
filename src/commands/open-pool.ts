import { accessSync, constants, mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { throwIfInterrupted } from '../core/context.js';
import { DbupError, isSystemError } from '../core/errors.js';
import type { OpenPoolOptions, Pool, PoolAccess } from '../pool/pool.js';
import type { Call } from './command.js';

const LOCK_POLL_MS = 100;

/** Opens the pool of the settings for a command, making it first if the command may. Waits for a pool in use as long as the settings say. */
export async function openPoolFor(
  call: Call,
  access: PoolAccess,
  {
    createsPool = false,
    despiteDescriptor = false,
  }: { createsPool?: boolean; despiteDescriptor?: boolean } = {},
): Promise<Pool> {
  const { openOrCreatePool, openPool } = await import('../pool/pool.js');
  const { settings } = call;
  const options: OpenPoolOptions = {
    access,
    despiteDescriptor,
    cacheRoot: usableDirectory(settings.cacheRoot),
    layerCacheBytes: settings.layerCacheBytes,
    ...(settings.threads !== undefined && { threads: settings.threads }),
    ...(createsPool && settings.share && { share: settings.share }),
  };
  const open = createsPool ? openOrCreatePool : openPool;
  return waitForLock(call, () => open(settings.poolDirectory, options));
}

/** The directory, or null where it cannot be made or written: a catalog in memory gives the same answers. */
function usableDirectory(path: string): string | null {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    accessSync(path, constants.W_OK | constants.X_OK);
    return path;
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}

/** Tries in steps instead of letting SQLite wait, so that an interruption is heard between them. */
async function waitForLock(call: Call, open: () => Promise<Pool>): Promise<Pool> {
  const { settings, context } = call;
  const untilMs = performance.now() + settings.lockWaitMs;
  for (let told = false; ; told = true) {
    throwIfInterrupted(context.signal);
    try {
      return await open();
    } catch (error) {
      const locked = error instanceof DbupError && error.code === 'POOL_LOCKED';
      if (!locked || performance.now() >= untilMs) throw error;
      if (!told) context.report({ type: 'note', message: 'the pool is in use; waiting for it' });
    }
    // An abort ends the sleep; the check above says so in dbup's words.
    await sleep(LOCK_POLL_MS, undefined, { signal: context.signal }).catch(() => {});
  }
}
