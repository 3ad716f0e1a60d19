import { ApiError } from '../../api/client';

/** Something asked for: its last good answer stays while a new one is on its way or fails. */
export class Resource<T> {
  #data = $state.raw<T | null>(null);
  #error = $state.raw<ApiError | null>(null);
  #loading = $state(false);
  #answered = $state(false);
  #asked = 0;
  #again: (() => Promise<T>) | undefined;

  get data(): T | null {
    return this.#data;
  }

  get error(): ApiError | null {
    return this.#error;
  }

  /** Whether any answer came yet; null may be one. */
  get answered(): boolean {
    return this.#answered;
  }

  get loading(): boolean {
    return this.#loading;
  }

  /** Only the newest question's answer counts. */
  async load(question: () => Promise<T>): Promise<void> {
    const turn = ++this.#asked;
    this.#again = question;
    this.#loading = true;
    try {
      const data = await question();
      if (turn !== this.#asked) return;
      this.#data = data;
      this.#answered = true;
      this.#error = null;
    } catch (error) {
      if (turn !== this.#asked) return;
      this.#error = error instanceof ApiError ? error : new ApiError(String(error), false);
    }
    this.#loading = false;
  }

  retry = (): void => {
    if (this.#again) void this.load(this.#again);
  };
}
