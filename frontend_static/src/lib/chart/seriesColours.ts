/** Number of colours in the palette (tokens `--series-1` …). Further series vary the dash. */
const PALETTE_SIZE = 8;
const DASHES: readonly (readonly number[])[] = [[], [8, 4], [2, 3]];

/** Return the colour and dash of the n-th series of a chart. */
export function seriesStyle(index: number): { colour: string; dash: readonly number[] } {
  return {
    colour: `--series-${(index % PALETTE_SIZE) + 1}`,
    dash: DASHES[Math.floor(index / PALETTE_SIZE) % DASHES.length] ?? [],
  };
}

/** Return the colour slot of each id. Ids that stay keep their slot; new ones get the lowest free one. */
export function assignColours(previous: ReadonlyMap<string, number>, ids: readonly string[]): Map<string, number> {
  const unchanged = new Map(ids.flatMap((id) => (previous.has(id) ? [[id, previous.get(id) as number] as const] : [])));
  const usedSlots = new Set(unchanged.values());
  let next = 0;
  return new Map(
    ids.map((id) => {
      const slot = unchanged.get(id);
      if (slot !== undefined) return [id, slot];
      while (usedSlots.has(next)) next += 1;
      usedSlots.add(next);
      return [id, next];
    }),
  );
}

/**
 * Return a token as a plain colour for a canvas. The value is computed by an element, because each token has a light
 * and a dark colour.
 */
export function resolveColour(host: HTMLElement, colour: string): string {
  const probe = document.createElement('span');
  probe.style.color = colour.startsWith('--') ? `var(${colour})` : colour;
  host.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** Return the colour with the given opacity. `colour` is in the form that `resolveColour` returns. */
export function withAlpha(colour: string, alpha: number): string {
  return colour.replace(/^rgb\((.+)\)$/, `rgba($1, ${alpha})`);
}
