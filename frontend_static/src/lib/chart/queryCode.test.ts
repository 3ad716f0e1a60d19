import { parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { type ChartRequest, requestCode } from './queryCode';

const request: ChartRequest = {
  sensors: ['ecotype-37_pdu-Z1.10', 'a "quoted" name', 'x'],
  nodes: ['datacenter'],
  span: { from: Date.UTC(2026, 0, 1), to: Date.UTC(2026, 0, 2) },
  points: 700,
};

describe("a chart's request as code", () => {
  it('is a valid query', () => {
    const text = requestCode('query', request, '');
    expect(() => parse(text)).not.toThrow();
    expect(text).toContain('from: "2026-01-01T00:00:00Z"');
    expect(text).toContain('sensors: ["ecotype-37_pdu-Z1.10", "a \\"quoted\\" name", "x"]');
  });

  it('leaves out empty lists', () => {
    expect(requestCode('query', { ...request, sensors: [] }, '')).not.toContain('sensors');
  });

  it('is a body that curl can send', () => {
    const text = requestCode('curl', request, 'http://here');
    const body = JSON.parse(text.split('\n').slice(2, -1).join('\n')) as { query: string; variables: object };
    expect(() => parse(body.query)).not.toThrow();
    expect(body.variables).toEqual({
      sensors: request.sensors,
      nodes: ['datacenter'],
      from: '2026-01-01T00:00:00Z',
      to: '2026-01-02T00:00:00Z',
      points: 700,
    });
  });

  it('is a script with the same arguments', () => {
    const text = requestCode('python', request, 'http://here');
    expect(text).toContain('connect("http://here", ');
    expect(text).toContain('            "a \\"quoted\\" name",\n');
    expect(text).toContain('nodes=["datacenter"],');
    expect(text).toContain('start="2026-01-01T00:00:00Z",');
    expect(text).toContain('points=700,');
  });
});
