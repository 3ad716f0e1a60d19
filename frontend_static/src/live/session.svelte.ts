/** Whom the server knows at this page. */
export interface Person {
  readonly email: string;
  readonly isAdmin: boolean;
}

/** Who sits here, as far as the page knows. */
class Session {
  #person = $state.raw<Person | null>(null);
  #known = $state(false);
  #ended = $state(false);

  /** Address of who is logged in; null for nobody, and before it is known. */
  get email(): string | null {
    return this.#person?.email ?? null;
  }

  /** Whether the places of administrators are theirs. */
  get admin(): boolean {
    return this.#person?.isAdmin ?? false;
  }

  /** Whether it is known who sits here. */
  get known(): boolean {
    return this.#known;
  }

  /** The server answers only those who are logged in, and nobody is. */
  get ended(): boolean {
    return this.#ended;
  }

  is(person: Person | null): void {
    this.#person = person;
    this.#known = true;
    if (person) this.#ended = false;
  }

  end(): void {
    this.is(null);
    this.#ended = true;
  }
}

export const session = new Session();
