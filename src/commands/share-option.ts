import { SHARES } from '../store/sharing.js';
import type { OptionDefinition } from './command.js';
import { SHARE_SETTING } from './settings.js';

/** `--share` of the commands that make a pool. */
export const SHARE_OPTION: OptionDefinition = {
  flags: SHARE_SETTING.flags,
  does: `${SHARE_SETTING.does} (default: ${SHARE_SETTING.otherwise})`,
  completes: ['none', ...SHARES],
};
