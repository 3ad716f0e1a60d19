import { graphql } from './graphql';
import type { ResultOf } from './graphql';

export const TREE = graphql(`
  fragment TreeParts on EnergyTree @_unmask {
    at
    nodes {
      id
      name
      parent
      target
      watts
      coverage
      sensorsExpected
      sensorsReporting
      missing
    }
  }
`);

export const TreeNow = graphql(
  `
    query TreeNow($tree: Tree!) {
      energyTree(tree: $tree) {
        ...TreeParts
      }
    }
  `,
  [TREE],
);

export const TreeAt = graphql(
  `
    query TreeAt($tree: Tree!, $at: DateTime!) {
      energyTree(tree: $tree, at: $at) {
        ...TreeParts
      }
    }
  `,
  [TREE],
);

export const TreeEnergy = graphql(`
  query TreeEnergy($tree: Tree!, $from: DateTime!, $to: DateTime!) {
    energyTreeOver(tree: $tree, from: $from, to: $to) {
      from
      until
      nodes {
        id
        name
        parent
        target
        kwh
        coverage
        sensorsExpected
      }
    }
  }
`);

export const TreeLive = graphql(
  `
    subscription TreeLive($tree: Tree!) {
      energyTree(tree: $tree) {
        ...TreeParts
      }
    }
  `,
  [TREE],
);

export type EnergyTreeData = ResultOf<typeof TreeLive>['energyTree'];

export type EnergyNodeData = EnergyTreeData['nodes'][number];

export type TreeKind = 'CONSUMPTION' | 'PRODUCTION';
