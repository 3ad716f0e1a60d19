import { describe, expect, it } from 'vitest';
import { GROUP_PREFIX, labelSpace, layoutFlow, planFlow, countRows, addSources, flowGraph } from './flow';
import { openToFit, type TreeNode, TreeShape } from './tree';

function node(id: string, parent: string | null, amount: number | null, more: Partial<TreeNode> = {}): TreeNode {
  return {
    id,
    name: id.toUpperCase(),
    parent,
    target: null,
    amount,
    coverage: 1,
    sensorsExpected: 1,
    sensorsReporting: 1,
    ...more,
  };
}

const nodes = [
  node('root', null, 1000, { sensorsExpected: 6, sensorsReporting: 5 }),
  node('it', 'root', 800, { sensorsExpected: 5, sensorsReporting: 4 }),
  node('cool', 'root', 200, { target: 'inrow' }),
  node('a', 'it', 400, { target: 'a_pdu-Z1.10' }),
  node('b', 'it', 385, { target: 'b_pdu-Z1.10' }),
  node('c', 'it', 10, { target: 'c_pdu-Z1.10' }),
  node('d', 'it', 5, { target: 'd_pdu-Z1.10' }),
  node('e', 'it', null, { target: 'e_pdu-Z1.10', sensorsReporting: 0 }),
];
const shape = new TreeShape(nodes);
const byId = new Map(nodes.map((n) => [n.id, n]));
const amount = (id: string) => byId.get(id)?.amount ?? null;
const flow = (open: Set<string>, smallest: number) =>
  flowGraph(planFlow(shape, open, amount, smallest), shape, open, byId, 'consumption');

describe('the flow of a tree', () => {
  it('groups small flows, and says what the group lacks', () => {
    const graph = flow(new Set(['root', 'it']), 20);
    expect(graph.nodes.map((n) => n.id)).toEqual(['root', 'it', 'a', 'b', `${GROUP_PREFIX}it`, 'cool']);
    const group = graph.nodes.find((n) => n.id === `${GROUP_PREFIX}it`);
    expect(group).toMatchObject({ label: '3 others', amount: 15, partial: '2 of 3 outlets', selectable: false });
  });

  it('shows what was grouped once the group is opened', () => {
    const ids = flow(new Set(['root', 'it', `${GROUP_PREFIX}it`]), 20).nodes.map((n) => n.id);
    expect(ids).toEqual(['root', 'it', 'a', 'b', 'c', 'd', 'e', 'cool']);
  });

  it('does not group a single small flow', () => {
    expect(flow(new Set(['root']), 300).nodes.map((n) => n.id)).toEqual(['root', 'it', 'cool']);
  });

  it('counts outlets only if all power sensors are outlets', () => {
    const graph = flow(new Set(['root']), 0);
    expect(graph.nodes[0]?.partial).toBe('5 of 6 power sensors');
    expect(graph.nodes[1]?.partial).toBe('4 of 5 outlets');
  });

  it('keeps the amount of a node that nothing reports for as unknown, not zero', () => {
    expect(flow(new Set(['root', 'it']), 0).nodes.find((n) => n.id === 'e')?.amount).toBeNull();
  });
});

describe('placing', () => {
  const box = { width: 900, height: 500, labels: 150, padding: 20, bar: 9 };

  it('has a place for everything, whatever it amounts to', () => {
    for (const amount of [null, -0.4, 0, 5]) {
      const few = [node('root', null, amount), node('a', 'root', amount), node('b', 'root', 0)];
      const tree = new TreeShape(few);
      const named = new Map(few.map((n) => [n.id, n]));
      for (const open of [new Set<string>(), new Set(['root'])]) {
        const graph = flowGraph(
          planFlow(tree, open, () => amount, -Infinity),
          tree,
          open,
          named,
          'production',
        );
        const { nodes: placed } = layoutFlow(graph, box);
        expect(placed.length).toBe(open.size > 0 ? 3 : 1);
        for (const { x, y, width, height } of placed)
          for (const n of [x, y, width, height]) expect(n).toBeGreaterThanOrEqual(0);
        if ((amount ?? 0) <= 0 && open.size > 0) expect(placed.map((n) => n.height)).toEqual([1.5, 1.5, 1.5]);
      }
    }
  });

  it('gives bars heights in proportion to their amount, without overlap in a column', () => {
    const { nodes: placed } = layoutFlow(flow(new Set(['root', 'it']), 0), box);
    const height = (id: string) => placed.find((n) => n.id === id)?.height ?? 0;
    expect(height('a') / height('b')).toBeCloseTo(400 / 385, 3);
    expect(height('it') / height('root')).toBeCloseTo(0.8, 2);
    for (const x of new Set(placed.map((n) => n.x))) {
      const column = placed.filter((n) => n.x === x);
      column
        .slice(1)
        .forEach((n, i) => expect(n.y).toBeGreaterThanOrEqual((column[i]?.y ?? 0) + (column[i]?.height ?? 0)));
    }
  });

  it('draws nothing where there is no room or nothing to draw', () => {
    expect(layoutFlow({ nodes: [], links: [] }, box).nodes).toEqual([]);
    expect(layoutFlow(flow(new Set(), 0), { ...box, width: 0 }).nodes).toEqual([]);
  });
});

describe('from sources to uses', () => {
  const uses = flow(new Set(['root']), 0);
  const production = (amount: number) => [node('sun', null, amount), node('panels', 'sun', amount)];

  it('lets the grid cover what is not flowNodes here', () => {
    const graph = addSources(uses, production(300));
    expect(graph.nodes.find((n) => n.id === 'grid')?.amount).toBe(700);
  });

  it('sends on no more than is drawn when more is flowNodes', () => {
    const graph = addSources(uses, production(4000));
    const into = graph.links.filter((l) => l.target === 'root').reduce((sum, l) => sum + l.amount, 0);
    expect(into).toBeCloseTo(1000, 9);
  });
});

describe('what is open at first', () => {
  it('always opens the root', () => expect(openToFit(shape, amount, 1).open).toContain('root'));

  it('opens as much as there is room for', () => {
    expect([...openToFit(shape, amount, 10).open]).toEqual(['root', 'it']);
    const { open, smallest } = openToFit(shape, amount, 4);
    expect(countRows(planFlow(shape, open, amount, smallest))).toBeLessThanOrEqual(4);
  });

  it('opens nothing that would show a group alone, and nothing that is under the least', () => {
    const few = [
      node('root', null, 1000),
      node('a', 'root', 970),
      node('b', 'root', 30),
      node('a1', 'a', 500),
      node('a2', 'a', 470),
      ...['p', 'q', 'r', 's'].map((id) => node(id, 'b', 7)),
    ];
    const size = (id: string) => few.find((n) => n.id === id)?.amount ?? null;
    expect([...openToFit(new TreeShape(few), size, 99).open]).toEqual(['root', 'a']);
    expect([...openToFit(new TreeShape(few), size, 99, Infinity, 0.971).open]).toEqual(['root']);
  });

  it('opens a whole that is nothing, or less, as at night, and groups none of it', () => {
    for (const battery of [0, -0.4]) {
      const night = new TreeShape([
        node('flowNodes', null, battery),
        node('sun', 'flowNodes', 0),
        node('battery', 'flowNodes', battery),
        node('p', 'sun', 0),
        node('q', 'sun', 0),
      ]);
      const size = (id: string) => (id === 'flowNodes' || id === 'battery' ? battery : 0);
      const { open, smallest } = openToFit(night, size, 10, Infinity, 0.2);
      expect([...open]).toEqual(['flowNodes', 'sun']);
      expect(
        planFlow(night, open, size, smallest)
          .blocks.map((b) => b.id)
          .sort(),
      ).toEqual(['battery', 'flowNodes', 'p', 'q', 'sun']);
    }
  });

  it('has nothing to open in an empty tree', () =>
    expect(openToFit(new TreeShape([]), () => null, 10).open.size).toBe(0));
});

describe('the space for labels', () => {
  const graph = (name: string) => ({
    nodes: ['root', name].map((id) => ({
      id,
      label: id,
      amount: 1,
      hue: 'consumption' as const,
      partial: null,
      open: null,
      selectable: true,
    })),
    links: [{ source: 'root', target: name, amount: 1 }],
  });

  it('grows with the longest name of the last column', () => {
    expect(labelSpace(graph('Chilled water pumps'), 440)).toBeGreaterThan(labelSpace(graph('Fans'), 440));
    expect(labelSpace(graph('Chilled water pumps'), 440)).toBeGreaterThan(120);
  });

  it('leaves more than half of the width to the flow', () => {
    expect(labelSpace(graph('n'.repeat(200)), 400)).toBe(180);
  });
});
