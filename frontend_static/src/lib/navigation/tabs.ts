import { paths } from './router.svelte';

export const ROLLUP_TABS = [
  { href: paths.queries, word: 'Queries' },
  { href: paths.jobs, word: 'Jobs' },
  { href: paths.tasks, word: 'Tasks' },
];

export const ADMIN_TABS = [
  { href: paths.users, word: 'Users' },
  { href: paths.keys, word: 'Device keys' },
  { href: paths.audit, word: 'Audit' },
];
