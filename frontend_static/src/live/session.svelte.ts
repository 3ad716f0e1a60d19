/** Who sits here, as far as the page knows. */
class Session {
  #email = $state<string | null>(null);
  #known = $state(false);
  #ended = $state(false);

  /** Address of who is logged in; null for nobody, and before it is known. */
  get email(): string | null {
    return this.#email;
  }

  /** Whether it is known who sits here. */
  get known(): boolean {
    return this.#known;
  }

  /** The server answers only those who are logged in, and nobody is. */
  get ended(): boolean {
    return this.#ended;
  }

  is(email: string | null): void {
    this.#email = email;
    this.#known = true;
  }

  end(): void {
    this.is(null);
    this.#ended = true;
  }
}

export const session = new Session();
