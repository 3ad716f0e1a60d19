import { describe, expect, it } from 'vitest';
import { planFlow } from './flow';
import { type TreeNode, TreeShape } from './tree';
import { layoutTiles } from './treemap';

function node(id: string, parent: string | null, amount: number | null): TreeNode {
  return {
    id,
    name: id.toUpperCase(),
    parent,
    target: null,
    amount,
    coverage: 1,
    sensorsExpected: 1,
    sensorsReporting: amount === null ? 0 : 1,
  };
}

const nodes = [node('root', null, 400), node('a', 'root', 300), node('b', 'root', 100), node('silent', 'root', null)];
const shape = new TreeShape(nodes);
const byId = new Map(nodes.map((n) => [n.id, n]));
const open = new Set(['root']);
const plan = planFlow(shape, open, (id) => byId.get(id)?.amount ?? null, 0);
const tiles = (box: { width: number; height: number }) => layoutTiles(plan, shape, open, byId, box);

describe('a treemap', () => {
  it('gives each node an area by its amount, inside its parent', () => {
    const [root, a, b] = tiles({ width: 800, height: 400 });
    if (!root || !a || !b) throw new Error('tiles are missing');
    expect([root.id, a.id, b.id]).toEqual(['root', 'a', 'b']);
    expect((a.width * a.height) / (b.width * b.height)).toBeCloseTo(3, 0);
    for (const tile of [a, b]) {
      expect(tile.x).toBeGreaterThanOrEqual(root.x);
      expect(tile.y + tile.height).toBeLessThanOrEqual(root.y + root.height);
    }
  });

  it('leaves out what has no area, and draws nothing where there is no room', () => {
    expect(tiles({ width: 800, height: 400 }).map((t) => t.id)).not.toContain('silent');
    expect(tiles({ width: 10, height: 400 })).toEqual([]);
  });

  it('draws a whole that is nothing, or less, as one tile', () => {
    for (const amount of [null, 0, -0.4]) {
      const night = [node('root', null, amount), node('a', 'root', 0), node('b', 'root', amount)];
      const none = new TreeShape(night);
      const placed = layoutTiles(
        planFlow(none, open, () => amount, -Infinity),
        none,
        open,
        new Map(night.map((n) => [n.id, n])),
        { width: 800, height: 400 },
      );
      expect(placed.map((t) => [t.id, t.width, t.height])).toEqual([['root', 800, 400]]);
    }
  });
});
