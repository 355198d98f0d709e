import { DbupError } from '../core/errors.js';
import { type Call, defineCommand, type Outcome } from './command.js';
import { HELP_TOPICS, topicNames } from './help-topics.js';

export const helpCommand = defineCommand<object, string | undefined>({
  name: 'help',
  summary: `show help of a command or a topic: ${topicNames().join(', ')}`,
  arguments: [{ name: '[topic]', does: 'a command or a topic', completes: 'command' }],
  examples: [
    { command: 'dbup help save', does: 'the same as `dbup save --help`' },
    { command: 'dbup help exit-codes', does: 'the table of exit codes' },
    { command: 'dbup help addresses', does: 'how images and versions are named' },
  ],
  access: 'none',
  parse: (args) => args[0],
  async run(topic, call): Promise<Outcome> {
    const found = await findTopic(topic, call);
    const lines = found.lines;
    return {
      json: { topic: topic ?? null, ...found.json, text: lines.join('\n') },
      lines,
      quietLines: lines,
    };
  },
});

async function findTopic(
  name: string | undefined,
  call: Call,
): Promise<{ lines: readonly string[]; json?: object }> {
  const topic = HELP_TOPICS.find((candidate) => candidate.name === name);
  if (topic) return topic.content();
  const text = await call.helpOf(name);
  if (text !== null) return { lines: [text.trimEnd()] };
  throw new DbupError('USAGE', `there is no command and no topic ${JSON.stringify(name)}`, {
    hint: `The topics are ${topicNames().join(', ')}; \`dbup --help\` lists the commands.`,
  });
}
