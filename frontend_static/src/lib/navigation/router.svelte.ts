/** The address as state. Range, selection and filters live in it, so that a link shows what its sender saw. */
class Router {
  #url = $state.raw(new URL(location.href));

  constructor() {
    addEventListener('popstate', () => (this.#url = new URL(location.href)));
    document.addEventListener('click', (event) => this.#followLink(event));
  }

  get path(): string {
    return this.#url.pathname;
  }

  get query(): URLSearchParams {
    return this.#url.searchParams;
  }

  go(href: string, replace = false): void {
    history[replace ? 'replaceState' : 'pushState'](null, '', href);
    this.#url = new URL(location.href);
  }

  /** Change some query parameters; null takes one away. */
  set(changes: Record<string, string | null>, replace = true): void {
    const url = new URL(this.#url);
    for (const [key, value] of Object.entries(changes)) {
      if (value === null) url.searchParams.delete(key);
      else url.searchParams.set(key, value);
    }
    // Commas, colons and slashes may stand in a query as they are, and read better so.
    const search = url.searchParams.toString().replaceAll('%2C', ',').replaceAll('%3A', ':');
    this.go(url.pathname + (search && `?${search}`), replace);
  }

  #followLink(event: MouseEvent): void {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    const link = (event.target as Element).closest?.('a[href]');
    if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute('download')) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || url.hash) return;
    event.preventDefault();
    this.go(url.pathname + url.search);
  }
}

export const router = new Router();

/** A place of this site, from what an address says; the overview for anything else, which could lead away. */
export function sameSitePath(text: string | null): string {
  if (!text?.startsWith('/')) return '/';
  const url = new URL(text, location.origin);
  return url.origin === location.origin ? url.pathname + url.search : '/';
}

/** Names of places in the address: one list, so that a link cannot point at a page that does not exist. */
export const paths = {
  overview: '/',
  energy: '/energy',
  measurements: '/measurements',
  /** These sensors together in one view. */
  chartOf: (sensors: readonly string[]): string => `/measurements?sensors=${sensors.map(encodeURIComponent).join(',')}`,
  racks: '/racks',
  room: '/room',
  /** Who used most over the last week. */
  topConsumers: '/energy?view=ranking&show=energy&range=7d',
  devices: '/devices',
  events: '/events',
  queries: '/queries',
  jobs: '/jobs',
  jobNew: '/jobs/new',
  tasks: '/tasks',
  commands: '/commands',
  users: '/admin/users',
  keys: '/admin/keys',
  audit: '/admin/audit',
  account: '/account',
  sensors: '/sensor',
  logIn: '/log-in',
  logOut: '/log-out',
  signUp: '/sign-up',
  confirm: '/confirm',
  forgotten: '/forgotten',
  reset: '/reset',
  approve: '/approve',
  disapprove: '/disapprove',
  sensor: (name: string): string => `/sensor/${encodeURIComponent(name)}`,
};
