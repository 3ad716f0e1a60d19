import { ApiError } from '../../api/client';

/** Data from a request. The last good answer stays while a new request runs or fails. */
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

  /** True after the first answer. The answer may be null. */
  get hasAnswer(): boolean {
    return this.#hasAnswer;
  }

  get isLoading(): boolean {
    return this.#isLoading;
  }

  /** Run a request. An older request that is still running is ignored. */
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
