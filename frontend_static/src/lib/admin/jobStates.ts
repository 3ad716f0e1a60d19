import type { JobAction, JobData } from '../../api/jobs';
import type { QueryData } from '../../api/rollups';
import type { IconName } from '../ui/icons';
import { age } from '../format/format';

interface Look {
  readonly word: string;
  readonly icon: IconName;
  readonly tone: 'good' | 'warn' | 'bad' | 'plain';
  /** What may be done with a job in this state. */
  readonly actions: readonly JobAction[];
}

export const JOB_STATES: Record<JobData['state'], Look> = {
  CREATED: { word: 'Created', icon: 'more', tone: 'plain', actions: ['pause', 'cancel'] },
  RUNNING: { word: 'Running', icon: 'right', tone: 'plain', actions: ['pause', 'cancel'] },
  WAITING: { word: 'Waiting', icon: 'more', tone: 'plain', actions: ['pause', 'cancel'] },
  PAUSED: { word: 'Paused', icon: 'minus', tone: 'warn', actions: ['resume', 'cancel'] },
  FINISHED: { word: 'Finished', icon: 'check', tone: 'good', actions: [] },
  CANCELLED: { word: 'Cancelled', icon: 'close', tone: 'plain', actions: ['retry'] },
  FAILED: { word: 'Failed', icon: 'warn', tone: 'bad', actions: ['retry'] },
};

export const ACTION_WORDS: Record<JobAction, string> = {
  pause: 'Pause',
  resume: 'Go on',
  cancel: 'Cancel',
  retry: 'Try again',
};

/** Those at work first, then the newest. */
export function activeFirst(jobs: readonly JobData[]): JobData[] {
  const done = (j: JobData): number => Number(j.ended !== null);
  return [...jobs].sort((a, b) => done(a) - done(b) || Number(b.id) - Number(a.id));
}

/** How long a job still takes, or took. */
export function timing(job: JobData, now: number): string {
  if (job.ended !== null) return `took ${age(Date.parse(job.ended) - Date.parse(job.created))}`;
  if (job.state === 'PAUSED') return '';
  return job.secondsLeft === null
    ? `for ${age(now - Date.parse(job.created))}`
    : `${age(job.secondsLeft * 1_000)} left`;
}

export const WINDOW_WORDS: Record<QueryData['window'], string> = {
  RAW: 'raw',
  S30: '30 s',
  M1: '1 min',
  H1: '1 h',
  D1: '1 d',
  AUTO: 'auto',
};

export const FAULTS: Record<QueryData['faults'][number], { word: string; why: string }> = {
  LATE: { word: 'Late', why: 'It is further behind than its window is long.' },
  MISSING: { word: 'Missing', why: 'Series that are expected have no roll-ups.' },
  UNKNOWN: { word: 'Unknown', why: 'There are roll-ups that nothing in the description explains.' },
  WRONG: { word: 'Wrong', why: 'Stored roll-ups differ from what the readings say.' },
  DIRTY: { word: 'Dirty', why: 'Windows wait to be computed again after late readings.' },
};
