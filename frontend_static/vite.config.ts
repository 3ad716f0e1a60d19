import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

const api = process.env.SEDUCE_DEV_API ?? 'http://127.0.0.1:8081';

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
  server: { proxy: { '/graphql': { target: api, ws: true } } },
  preview: { proxy: { '/graphql': { target: api, ws: true } } },
  resolve: process.env.VITEST ? { conditions: ['browser'] } : {},
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
});
