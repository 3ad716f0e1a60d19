import { describe, expect, it } from 'vitest';
import { rankableNodes, rankConsumers, consumersBelow } from './ranking';
import { type TreeNode, TreeShape } from './tree';

function node(id: string, parent: string | null, amount: number | null, more: Partial<TreeNode> = {}): TreeNode {
  return {
    id,
    name: id.toUpperCase(),
    parent,
    target: null,
    amount,
    coverage: 1,
    sensorsExpected: 1,
    sensorsReporting: null,
    ...more,
  };
}

const nodes = [
  node('root', null, 900),
  node('servers', 'root', 700),
  node('s1', 'servers', 300),
  node('s1a', 's1', 100, { target: 's1_pdu-Z1.10' }),
  node('s1b', 's1', 200, { target: 's1_pdu-Z1.11' }),
  node('s2', 'servers', 400, { coverage: 0.5 }),
  node('s2a', 's2', 400, { target: 's2_pdu-Z1.10', coverage: 0.5 }),
  node('cooling', 'root', 200),
  node('fan', 'cooling', null, { target: 'fan', coverage: 0 }),
  node('pump', 'cooling', 200, { target: 'pump' }),
];
const shape = new TreeShape(nodes);
const byId = new Map(nodes.map((n) => [n.id, n]));

describe('top consumers', () => {
  it('count a server with its outlets as one consumer, and a single power sensor as another', () => {
    expect(consumersBelow(shape, 'root')).toEqual(['s1', 's2', 'fan', 'pump']);
    expect(rankableNodes(shape)).toEqual(['root', 'servers', 'cooling']);
  });

  it('come largest first, and without a value last', () => {
    expect(rankConsumers(shape, byId, 'root').map((r) => r.node.id)).toEqual(['s2', 's1', 'pump', 'fan']);
    expect(rankConsumers(shape, byId, 'servers').map((r) => [r.node.id, r.place])).toEqual([
      ['s2', 'SERVERS'],
      ['s1', 'SERVERS'],
    ]);
  });

  it('are partial if they have less coverage than most others', () => {
    expect(rankConsumers(shape, byId, 'servers').map((r) => r.partial)).toEqual([true, false]);
    const lacking = new Map(nodes.map((n) => [n.id, { ...n, coverage: 0.3 }]));
    expect(rankConsumers(shape, lacking, 'root').some((r) => r.partial)).toBe(false);
  });
});
