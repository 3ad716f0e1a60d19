/** One ready-to-run query of each kind. The explorer opens them as tabs. */
export interface Example {
  readonly query: string;
  readonly variables?: string;
}

function hoursAgo(hours: number): string {
  return new Date(Date.now() - hours * 3_600_000).toISOString();
}

const since = (hours: number): string => JSON.stringify({ from: hoursAgo(hours) }, null, 2);

export const examples = (): Example[] => [
  {
    query: `# Current power with its coverage. Run: Ctrl+Enter. Documentation: book icon on the left.
query Now {
  overview {
    consumption { value unit coverage sensorsExpected sensorsReporting withheld }
    production { value unit coverage }
    pue { value withheld }
    problems { kind message since }
  }
}
`,
  },
  {
    query: `query Sensors {
  sensors(type: "wattmeter", first: 10) {
    totalCount
    edges { node { name label unit location latest { value ageSeconds stale } } }
    pageInfo { hasNextPage endCursor }
  }
}
`,
  },
  {
    query: `# One day of the consumption tree: columns of equal length. Gaps are null.
query Day($from: DateTime!) {
  energyRoot(tree: CONSUMPTION) {
    id name
    series(from: $from, maxPoints: 200, statistics: [MEAN, MIN, MAX]) { unit window stepSeconds timestamps mean min max coverage }
  }
}
`,
    variables: since(24),
  },
  {
    query: `query Tree($from: DateTime!) {
  energyTree {
    at
    nodes { id name parent watts coverage missing missingChildren energy(from: $from) { kwh coverage } }
  }
}
`,
    variables: since(24),
  },
  {
    query: `# First a snapshot, then new readings.
subscription Readings {
  readings(types: ["temperature"]) { snapshot gap sensors timestamps values }
}
`,
  },
  {
    query: `subscription Devices {
  deviceHealth { snapshot devices { name state errorRate latencySeconds lastError } }
}
`,
  },
];
