import { ApiError } from '../../api/client';

/** Something asked for: its last good answer stays while a new one is on its way or fails. */
export class Resource<T> {
  #data = $state.raw<T | null>(null);
  #error = $state.raw<ApiError | null>(null);
  #isLoading = $state(false);
  #hasAnswer = $state(false);
  #newestRequest = 0;
  #lastRequest: (() => Promise<T>) | undefined;

  get data(): T | null {
    return this.#data;
  }

  get error(): ApiError | null {
    return this.#error;
  }

  /** Whether any answer came yet; null may be one. */
  get hasAnswer(): boolean {
    return this.#hasAnswer;
  }

  get isLoading(): boolean {
    return this.#isLoading;
  }

  /** Only the newest request's answer counts. */
  async load(request: () => Promise<T>): Promise<void> {
    const requestNumber = ++this.#newestRequest;
    this.#lastRequest = request;
    this.#isLoading = true;
    try {
      const data = await request();
      if (requestNumber !== this.#newestRequest) return;
      this.#data = data;
      this.#hasAnswer = true;
      this.#error = null;
    } catch (error) {
      if (requestNumber !== this.#newestRequest) return;
      this.#error = error instanceof ApiError ? error : new ApiError(String(error), false);
    }
    this.#isLoading = false;
  }

  retry = (): void => {
    if (this.#lastRequest) void this.load(this.#lastRequest);
  };
}
