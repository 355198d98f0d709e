import { formatPlatform, parsePlatform } from '../oci/platform.js';
import type { OptionDefinition } from './command.js';

/** `--platform` as docker spells it; several times, or several with commas between them. Its value is a list of lists. */
export const PLATFORM_OPTION: OptionDefinition = {
  flags: '--platform <os/arch[/variant]>',
  does: 'of an image for several platforms only this one; repeat it, or write commas, for more',
  repeats: true,
  parse: (text) => text.split(',').map((one) => formatPlatform(parsePlatform(one.trim()))),
};
