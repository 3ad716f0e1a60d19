import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import backendPaths from './backend-paths.json' with { type: 'json' };

const api = process.env.SEDUCE_DEV_API ?? 'http://127.0.0.1:8081';

/** All paths of the back end, so that the development server behaves like the real one. */
const proxy = Object.fromEntries(
  backendPaths.map((path) => [`^${path.replaceAll('.', '\\.')}(?=[/?]|$)`, { target: api, ws: path === '/graphql' }]),
);

export default defineConfig({
  plugins: [svelte()],
  // The pages are served under a policy without data: scripts and styles; small files stay files.
  build: {
    target: 'es2022',
    // The first browsers that know light-dark(), which every colour is written with.
    cssTarget: ['chrome123', 'firefox121', 'safari17.5'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Pages by themselves: who opens the dashboard loads nothing of those to try the API on.
    rolldownOptions: {
      input: ['index.html', 'reference.html', 'explorer.html'],
      checks: { moduleLevelDirective: false },
    },
    chunkSizeWarningLimit: 5_000,
  },
  // The explorer is served built, by the back end: its workers cannot be bundled for the development server.
  optimizeDeps: { entries: ['index.html'] },
  server: { proxy },
  preview: { proxy },
  resolve: process.env.VITEST ? { conditions: ['browser'] } : {},
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
});
