import { ApiError } from '../../api/client';
import type { Problem } from '../../api/auth';

type Answer = { readonly __typename: string } & Partial<Problem>;

/** The submission state of a form: in progress, and the last problem. */
export class Form {
  #isBusy = $state(false);
  #problem = $state.raw<Problem | null>(null);

  constructor(private readonly fields: readonly string[]) {}

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Return the problem of one field; empty if none. */
  problemOf(field: string): string {
    return this.#problem?.path[0] === field ? this.#problem.message : '';
  }

  /** The problem that belongs to no field; empty if none. */
  get otherProblem(): string {
    const problem = this.#problem;
    return problem && !this.fields.includes(problem.path[0] ?? '') ? problem.message : '';
  }

  /** Set a problem without a request to the server. */
  refuse(field: string, message: string): void {
    this.#problem = { message, path: [field] };
  }

  /** Send the form. Return the answer, or null after a failure. */
  async send<T extends Answer>(action: () => Promise<{ answer: T }>): Promise<T | null> {
    if (this.#isBusy) return null;
    this.#isBusy = true;
    this.#problem = null;
    try {
      const { answer } = await action();
      if (answer.path === undefined) return answer;
      this.#problem = { message: answer.message ?? '', path: answer.path };
    } catch (error) {
      this.#problem = { message: error instanceof ApiError ? error.message : String(error), path: [] };
    } finally {
      this.#isBusy = false;
    }
    return null;
  }
}

/** Return the token in the fragment (`#…`) of a mailed link. */
export function tokenFromHash(): string {
  return location.hash.slice(1);
}
