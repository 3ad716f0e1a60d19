/** Run `work` at most once per frame, and at most once per `minIntervalMs`. */
export function throttleToFrames(work: () => void, minIntervalMs = 0): { schedule: () => void; cancel: () => void } {
  let frame = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let last = -Infinity;

  const draw = (): void => {
    timer = undefined;
    frame = requestAnimationFrame((now) => {
      frame = 0;
      last = now;
      work();
    });
  };
  return {
    schedule: () => {
      if (frame !== 0 || timer !== undefined) return;
      const wait = last + minIntervalMs - performance.now();
      if (wait > 0) timer = setTimeout(draw, wait);
      else draw();
    },
    cancel: () => {
      clearTimeout(timer);
      timer = undefined;
      cancelAnimationFrame(frame);
      frame = 0;
    },
  };
}
