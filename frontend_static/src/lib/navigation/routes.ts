import type { Component } from 'svelte';
import Overview from '../../views/Overview.svelte';
import { paths } from './router.svelte';

// Pages take `name` or no property. No single component type covers both.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type View = Component<any>;
type Loader = () => Promise<{ default: View }>;

/** Pages that are loaded on demand. Only the overview is part of the first script. */
const PAGES: readonly { match: RegExp; load: Loader }[] = [
  { match: new RegExp(`^${paths.energy}$`), load: () => import('../../views/EnergyTree.svelte') },
  { match: new RegExp(`^${paths.measurements}$`), load: () => import('../../views/Measurements.svelte') },
  { match: new RegExp(`^${paths.racks}$`), load: () => import('../../views/Racks.svelte') },
  { match: new RegExp(`^${paths.room}$`), load: () => import('../../views/Room.svelte') },
  { match: new RegExp(`^${paths.devices}$`), load: () => import('../../views/Devices.svelte') },
  { match: new RegExp(`^${paths.events}$`), load: () => import('../../views/Events.svelte') },
  { match: new RegExp(`^${paths.queries}$`), load: () => import('../../views/admin/Queries.svelte') },
  { match: new RegExp(`^${paths.jobs}$`), load: () => import('../../views/admin/Jobs.svelte') },
  { match: new RegExp(`^${paths.jobNew}$`), load: () => import('../../views/admin/JobNew.svelte') },
  { match: new RegExp(`^${paths.tasks}$`), load: () => import('../../views/admin/Tasks.svelte') },
  { match: new RegExp(`^${paths.commands}$`), load: () => import('../../views/admin/Commands.svelte') },
  { match: new RegExp(`^${paths.users}$`), load: () => import('../../views/admin/Users.svelte') },
  { match: new RegExp(`^${paths.keys}$`), load: () => import('../../views/admin/Keys.svelte') },
  { match: new RegExp(`^${paths.audit}$`), load: () => import('../../views/admin/Audit.svelte') },
  { match: new RegExp(`^${paths.account}$`), load: () => import('../../views/Account.svelte') },
  { match: new RegExp(`^${paths.sensors}$`), load: () => import('../../views/Sensors.svelte') },
  { match: new RegExp(`^${paths.sensors}/(.+)$`), load: () => import('../../views/Sensor.svelte') },
];

/** Pages for visitors who are not logged in: one card each, without the rail. */
const AUTH_PAGES: Readonly<Record<string, Loader>> = {
  [paths.logIn]: () => import('../../views/auth/LogIn.svelte'),
  [paths.logOut]: () => import('../../views/auth/LogOut.svelte'),
  [paths.signUp]: () => import('../../views/auth/SignUp.svelte'),
  [paths.confirm]: () => import('../../views/auth/Confirm.svelte'),
  [paths.forgotten]: () => import('../../views/auth/Forgotten.svelte'),
  [paths.reset]: () => import('../../views/auth/Reset.svelte'),
  [paths.approve]: () => import('../../views/auth/Decide.svelte'),
  [paths.disapprove]: () => import('../../views/auth/Decide.svelte'),
};

const withoutTrailingSlash = (path: string): string => (path.length > 1 ? path.replace(/\/$/, '') : path);

export const isAuthPath = (path: string): boolean => withoutTrailingSlash(path) in AUTH_PAGES;

export interface ResolvedPage {
  readonly view: View;
  /** The object that the address names, such as a sensor. */
  readonly name: string;
  /** Paths with equal keys are the same page. Another key mounts it again. */
  readonly key: string;
}

/** Return the page of a path; synchronously for the overview. */
export function resolvePage(path: string): ResolvedPage | Promise<ResolvedPage> {
  const clean = withoutTrailingSlash(path);
  if (clean === paths.overview) return { view: Overview, name: '', key: clean };
  const loadAuthPage = AUTH_PAGES[clean];
  if (loadAuthPage) return loadAuthPage().then((m) => ({ view: m.default, name: clean, key: clean }));
  for (const page of PAGES) {
    const match = page.match.exec(clean);
    if (match) return page.load().then((m) => ({ view: m.default, name: decode(match[1] ?? ''), key: clean }));
  }
  return import('../../views/NotFound.svelte').then((m) => ({ view: m.default, name: clean, key: clean }));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
