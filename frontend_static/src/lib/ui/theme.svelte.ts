export type Theme = 'system' | 'light' | 'dark';
const KEY = 'theme';

/** Light or dark: the system's preference unless the reader selected one. */
class ThemeChoice {
  #choice = $state<Theme>('system');
  #version = $state(0);

  constructor() {
    const stored = document.documentElement.dataset.theme;
    if (stored === 'light' || stored === 'dark') this.#choice = stored;
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => (this.#version += 1));
  }

  get choice(): Theme {
    return this.#choice;
  }

  /** Changes whenever colours may have changed. Canvas drawings depend on it. */
  get version(): number {
    return this.#version;
  }

  choose(theme: Theme): void {
    this.#choice = theme;
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
      if (theme === 'system') localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, theme);
    } catch {
      // Storage may be forbidden. The selection then lasts until the page is closed.
    }
    this.#version += 1;
  }
}

export const theme = new ThemeChoice();
