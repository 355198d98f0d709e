import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/**
 * Tests import `../src/x.js` and get `dist/x.js`: what is tested is the build that ships, worker threads
 * and all. `npm test` builds first.
 */
export default defineConfig({
  resolve: {
    alias: [
      {
        find: /^(?:\.\.\/)+src\/(.*)\.js$/,
        replacement: `${fileURLToPath(new URL('dist', import.meta.url))}/$1.js`,
      },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
