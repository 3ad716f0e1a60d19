import { describe, expect, it } from 'vitest';
import type { JobData } from '../../api/jobs';
import { sortActiveFirst, JOB_STATES, timingText } from './jobStates';

const job = (id: string, more: Partial<JobData> = {}): JobData => ({
  id,
  batch: '1',
  cqName: 'cq_datacenter_1h',
  kind: 'NODE',
  window: 'H1',
  series: [],
  whole: true,
  priority: 'LOW',
  state: 'RUNNING',
  timeIntervalStart: '2026-11-20T00:00:00Z',
  timeIntervalEnd: '2026-11-23T00:00:00Z',
  doneFrom: '2026-11-23T00:00:00Z',
  lastExecutionSeconds: null,
  progress: 0,
  windows: 72,
  windowsDone: 0,
  windowsPerSecond: null,
  secondsLeft: null,
  attempts: 0,
  lastError: '',
  created: '2026-11-24T10:00:00Z',
  changed: '2026-11-24T10:00:00Z',
  ended: null,
  ...more,
});
const now = Date.parse('2026-11-24T10:02:00Z');

describe('jobs', () => {
  it('stand with those at work first, then the newest', () => {
    const ended = { ended: '2026-11-24T10:01:00Z', state: 'FINISHED' as const };
    expect(sortActiveFirst([job('1', ended), job('2'), job('10', ended), job('9')]).map((j) => j.id)).toEqual([
      '9',
      '2',
      '10',
      '1',
    ]);
  });

  it('say how long they take, or took', () => {
    expect(timingText(job('1'), now)).toBe('for 2 min');
    expect(timingText(job('1', { secondsLeft: 30 }), now)).toBe('30 s left');
    expect(timingText(job('1', { ended: '2026-11-24T10:01:00Z' }), now)).toBe('took 60 s');
  });

  it('offer nothing where nothing is left to do', () => {
    expect(JOB_STATES.FINISHED.actions).toEqual([]);
    expect(JOB_STATES.FAILED.actions).toEqual(['retry']);
  });
});
