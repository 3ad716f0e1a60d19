/** How many colours the palette has (tokens `--series-1` …); beyond them the dash varies. */
const PALETTE_SIZE = 8;
const DASHES: readonly (readonly number[])[] = [[], [8, 4], [2, 3]];

/** The look of the n-th series of a chart. */
export function seriesStyle(index: number): { colour: string; dash: readonly number[] } {
  return {
    colour: `--series-${(index % PALETTE_SIZE) + 1}`,
    dash: DASHES[Math.floor(index / PALETTE_SIZE) % DASHES.length] ?? [],
  };
}

/** Who has which colour: those that stay keep theirs, those that come get the lowest that is free. */
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

/** Tokens as plain colours, for what is drawn on a canvas; asked through an element, because each holds a light and a dark one. */
export function resolveColour(host: HTMLElement, colour: string): string {
  const probe = document.createElement('span');
  probe.style.color = colour.startsWith('--') ? `var(${colour})` : colour;
  host.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** The same colour, thinner; `colour` as `resolveColour` gives it. */
export function withAlpha(colour: string, alpha: number): string {
  return colour.replace(/^rgb\((.+)\)$/, `rgba($1, ${alpha})`);
}
