import { ApiError } from '../../api/client';
import type { Problem } from '../../api/auth';

type Answer = { readonly __typename: string } & Partial<Problem>;

/** A form that is sent: whether it is on its way, and what was wrong with it. */
export class Form {
  #isBusy = $state(false);
  #problem = $state.raw<Problem | null>(null);

  constructor(private readonly fields: readonly string[]) {}

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** What is wrong with one field; empty if nothing. */
  problemOf(field: string): string {
    return this.#problem?.path[0] === field ? this.#problem.message : '';
  }

  /** What is wrong apart from the fields. */
  get otherProblem(): string {
    const problem = this.#problem;
    return problem && !this.fields.includes(problem.path[0] ?? '') ? problem.message : '';
  }

  /** Says so without asking the server. */
  refuse(field: string, message: string): void {
    this.#problem = { message, path: [field] };
  }

  /** Sends; the answer if it is none of the failures. */
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

/** What follows `#` in a mailed link. */
export function tokenFromHash(): string {
  return location.hash.slice(1);
}
