import { defineCommand, type Outcome } from './command.js';
import { SHARE_OPTION } from './share-option.js';

export const initCommand = defineCommand<object, null>({
  name: 'init',
  summary: 'make an empty pool',
  details: 'Seldom needed: the first save makes the pool.',
  options: [SHARE_OPTION],
  examples: [
    { command: 'dbup init', does: 'at the default place' },
    { command: 'dbup init --pool /srv/dbup', does: 'in another directory, which is empty or not there' },
    { command: 'dbup init --share group --pool /srv/dbup', does: 'for all of the group to save into' },
  ],
  access: 'none',
  parse: () => null,
  async run(_request, { settings }): Promise<Outcome> {
    const { createPool } = await import('../pool/create-pool.js');
    const { poolId, createdAt } = await createPool(
      settings.poolDirectory,
      settings.share ? { share: settings.share } : {},
    );
    return {
      json: { pool: settings.poolDirectory, poolId, createdAt },
      lines: [`made an empty pool in ${settings.poolDirectory}`],
    };
  },
});
