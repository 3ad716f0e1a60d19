import { paths } from './router.svelte';

export const ROLLUP_TABS = [
  { href: paths.queries, label: 'Roll-ups' },
  { href: paths.jobs, label: 'Jobs' },
  { href: paths.tasks, label: 'Tasks' },
];

export const ADMIN_TABS = [
  { href: paths.users, label: 'Users' },
  { href: paths.keys, label: 'Device keys' },
  { href: paths.audit, label: 'Audit log' },
];
