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
    query: `# What is drawn now, and what it rests on. Run it with Ctrl Enter; the documentation is behind the book on the left.
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
    edges { node { name unit location latest { value ageSeconds stale } } }
    pageInfo { hasNextPage endCursor }
  }
}
`,
  },
  {
    query: `# A day of the whole data centre: columns of equal length; a gap is null, never zero.
query Day($from: DateTime!) {
  series(nodes: ["datacenter"], from: $from, maxPoints: 200, statistics: [MEAN, MIN, MAX]) {
    node unit window stepSeconds timestamps mean min max coverage
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
    query: `# A snapshot first, then readings as they are accepted.
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
