import { parseReference } from '../oci/reference.js';
import { shortId } from '../ui/format-units.js';
import { argumentAt, defineCommand, type Outcome } from './command.js';

interface TagRequest {
  address: string;
  reference: string;
}

export const tagCommand = defineCommand<object, TagRequest>({
  name: 'tag',
  summary: 'give a version another reference',
  details: 'Adds a version of the new reference with the same image. Nothing is copied, nothing is renamed.',
  arguments: [
    { name: '<ref>', does: 'the version that is meant', completes: 'reference' },
    { name: '<new>', does: 'the reference it is also to have' },
  ],
  examples: [
    { command: 'dbup tag app:1.0 app:stable', does: 'the current version of app:1.0' },
    { command: 'dbup tag app:1.0~1 app:last-good', does: 'the version before it' },
  ],
  access: 'append',
  parse: (args) => ({ address: argumentAt(args, 0), reference: parseReference(argumentAt(args, 1)).text }),
  async run({ address, reference }, { pool, context }): Promise<Outcome> {
    const { tagVersion } = await import('../operations/tag.js');
    const version = await tagVersion(pool, address, reference, context);
    const what = `${shortId(version.imageId)} of ${address}`;
    return {
      json: version,
      lines: [
        version.alreadyTagged
          ? `${version.reference}: is ${what} already, nothing added`
          : `${version.reference}: is now ${what}, saved as ${shortId(version.snapshotId)}`,
      ],
      quietLines: [`${version.reference}@${shortId(version.snapshotId)}`],
    };
  },
});
