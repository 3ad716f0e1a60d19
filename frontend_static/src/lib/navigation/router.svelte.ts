/** The address as state. It holds range, selection and filters, so that a shared link shows the same view. */
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

  /** Change query parameters; null removes one. */
  set(changes: Record<string, string | null>, replace = true): void {
    const url = new URL(this.#url);
    for (const [key, value] of Object.entries(changes)) {
      if (value === null) url.searchParams.delete(key);
      else url.searchParams.set(key, value);
    }
    // Commas and colons are valid in a query and easier to read unescaped.
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

/**
 * Return a path of this site from a URL parameter. Anything else becomes the overview, because it could lead to another
 * site.
 */
export function sameSitePath(text: string | null): string {
  if (!text?.startsWith('/')) return '/';
  const url = new URL(text, location.origin);
  return url.origin === location.origin ? url.pathname + url.search : '/';
}

/** Paths of all pages, in one list, so that links and routes agree. */
export const paths = {
  overview: '/',
  energy: '/energy',
  measurements: '/measurements',
  /** The given sensors in one chart. */
  chartOf: (sensors: readonly string[]): string => `/measurements?sensors=${sensors.map(encodeURIComponent).join(',')}`,
  racks: '/racks',
  room: '/room',
  /** The top consumers of the last week. */
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
