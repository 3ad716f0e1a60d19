import { initGraphQLTada } from 'gql.tada';
import type { introspection } from './schema';

/** Typed documents: a field that the schema does not have fails the type check. */
export const graphql = initGraphQLTada<{
  introspection: introspection;
  scalars: {
    /** ISO 8601 with zone. */
    DateTime: string;
    /** Epoch milliseconds. */
    Int64Array: number[];
    /** A gap is null. */
    Float64Array: (number | null)[];
  };
}>();

export type { FragmentOf, ResultOf, VariablesOf } from 'gql.tada';
