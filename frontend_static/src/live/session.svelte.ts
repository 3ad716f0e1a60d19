/** The logged-in user, as far as the page needs them. */
export interface SessionUser {
  readonly email: string;
  readonly isAdmin: boolean;
}

/** The log-in state of this page. */
class Session {
  #user = $state.raw<SessionUser | null>(null);
  #isKnown = $state(false);
  #hasEnded = $state(false);

  /** E-mail address of the logged-in user; null if nobody is logged in, and before the server has answered. */
  get email(): string | null {
    return this.#user?.email ?? null;
  }

  get isAdmin(): boolean {
    return this.#user?.isAdmin ?? false;
  }

  /** True after the server has returned the user, or that nobody is logged in. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** True when the server requires a log-in and the session is missing or over. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  setUser(user: SessionUser | null): void {
    this.#user = user;
    this.#isKnown = true;
    if (user) this.#hasEnded = false;
  }

  end(): void {
    this.setUser(null);
    this.#hasEnded = true;
  }
}

export const session = new Session();
