import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadCommands } from '../../src/commands/all-commands.js';
import { completionScript } from '../../src/commands/completion-script.js';

const directory = mkdtempSync(join(tmpdir(), 'dbup-completion-'));
const scripts = { bash: '', zsh: '', fish: '' };

beforeAll(async () => {
  const definitions = await loadCommands();
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    scripts[shell] = completionScript(shell, definitions);
    writeFileSync(join(directory, `dbup.${shell}`), scripts[shell]);
  }
  // Stands for dbup where a script asks for references.
  writeFileSync(join(directory, 'dbup'), '#!/bin/sh\nprintf "app:1.0\\napp:2.0\\nweb:1\\n$POOL_SEEN"\n', {
    mode: 0o755,
  });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const has = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0;

/** What bash offers for a line with the cursor at its end. */
function bashCompletes(line: string): string[] {
  const program = `source ${directory}/dbup.bash; COMP_LINE=$1; COMP_POINT=\${#1}; _dbup; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const env = { PATH: `${directory}:${process.env.PATH}` };
  const { stdout, stderr, status } = spawnSync(
    'bash',
    ['--norc', '--noprofile', '-c', program, 'bash', line],
    {
      env,
      encoding: 'utf8',
      cwd: directory,
    },
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.split('\n').filter((word) => word !== '');
}

describe('bash', () => {
  test('the script parses', () => {
    expect(spawnSync('bash', ['-n', join(directory, 'dbup.bash')])).toMatchObject({ status: 0 });
  });

  test('completes commands, options, words and references', () => {
    expect(bashCompletes('dbup re')).toEqual(['repair', 'reindex']);
    expect(bashCompletes('dbup --pool /p ve')).toEqual(['verify', 'version']);
    expect(bashCompletes('dbup verify --re')).toEqual(['--read-data']);
    expect(bashCompletes('dbup rm --keep-w')).toEqual(['--keep-weekly', '--keep-within']);
    expect(bashCompletes('dbup ls --progress j')).toEqual(['json']);
    expect(bashCompletes('dbup completion z')).toEqual(['zsh']);
    expect(bashCompletes('dbup help exi')).toEqual(['exit-codes']);
    expect(bashCompletes('dbup log ')).toEqual(['app:1.0', 'app:2.0', 'web:1']);
    expect(bashCompletes('dbup load we')).toEqual(['web:1']);
    // readline has the part up to the colon already.
    expect(bashCompletes('dbup log app:')).toEqual(['1.0', '2.0']);
    expect(bashCompletes('dbup load app:1.0 -o dbup.b')).toEqual(['dbup.bash']);
  });
});

describe.runIf(has('zsh'))('zsh', () => {
  test('the script parses', () => {
    expect(spawnSync('zsh', ['-n', join(directory, 'dbup.zsh')], { encoding: 'utf8' })).toMatchObject({
      status: 0,
      stderr: '',
    });
  });
});

describe.runIf(has('fish'))('fish', () => {
  const fishCompletes = (line: string): string[] => {
    const program = `source ${directory}/dbup.fish; complete -C ${JSON.stringify(line)}`;
    const env = { PATH: `${directory}:${process.env.PATH}`, HOME: directory };
    const { stdout, stderr, status } = spawnSync('fish', ['--no-config', '-c', program], {
      env,
      encoding: 'utf8',
      cwd: directory,
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return stdout
      .split('\n')
      .filter((word) => word !== '')
      .map((word) => word.split('\t')[0]!);
  };

  test('the script parses and completes', () => {
    expect(spawnSync('fish', ['-n', join(directory, 'dbup.fish')])).toMatchObject({ status: 0 });
    expect(fishCompletes('dbup reind')).toEqual(['reindex']);
    expect(fishCompletes('dbup verify --read')).toEqual(['--read-data']);
    expect(fishCompletes('dbup log we')).toEqual(['web:1']);
    expect(fishCompletes('dbup ls --progress j')).toEqual(['json']);
  });
});
