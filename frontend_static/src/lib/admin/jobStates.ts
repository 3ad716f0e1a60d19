import type { JobAction, JobData } from '../../api/jobs';
import type { QueryData } from '../../api/rollups';
import type { IconName } from '../ui/icons';
import { formatAge } from '../format/format';

interface StateStyle {
  readonly label: string;
  readonly icon: IconName;
  readonly tone: 'good' | 'warn' | 'bad' | 'plain';
  /** Actions that are possible in this state. */
  readonly actions: readonly JobAction[];
}

export const JOB_STATES: Record<JobData['state'], StateStyle> = {
  CREATED: { label: 'Created', icon: 'more', tone: 'plain', actions: ['pause', 'cancel'] },
  RUNNING: { label: 'Running', icon: 'right', tone: 'plain', actions: ['pause', 'cancel'] },
  WAITING: { label: 'Waiting', icon: 'more', tone: 'plain', actions: ['pause', 'cancel'] },
  PAUSED: { label: 'Paused', icon: 'minus', tone: 'warn', actions: ['resume', 'cancel'] },
  FINISHED: { label: 'Finished', icon: 'check', tone: 'good', actions: [] },
  CANCELLED: { label: 'Cancelled', icon: 'close', tone: 'plain', actions: ['retry'] },
  FAILED: { label: 'Failed', icon: 'warn', tone: 'bad', actions: ['retry'] },
};

export const ACTION_LABELS: Record<JobAction, string> = {
  pause: 'Pause',
  resume: 'Resume',
  cancel: 'Cancel',
  retry: 'Retry',
};

/** Sort active jobs first, then by age, newest first. */
export function sortActiveFirst(jobs: readonly JobData[]): JobData[] {
  const done = (j: JobData): number => Number(j.ended !== null);
  return [...jobs].sort((a, b) => done(a) - done(b) || Number(b.id) - Number(a.id));
}

/** Return how long a job will still take, or took. */
export function timingText(job: JobData, now: number): string {
  if (job.ended !== null) return `took ${formatAge(Date.parse(job.ended) - Date.parse(job.created))}`;
  if (job.state === 'PAUSED') return '';
  return job.secondsLeft === null
    ? `for ${formatAge(now - Date.parse(job.created))}`
    : `${formatAge(job.secondsLeft * 1_000)} left`;
}

export const WINDOW_LABELS: Record<QueryData['window'], string> = {
  RAW: 'raw',
  S30: '30 s',
  M1: '1 min',
  H1: '1 h',
  D1: '1 d',
  AUTO: 'auto',
};

export const FAULTS: Record<QueryData['faults'][number], { label: string; explanation: string }> = {
  LATE: { label: 'Late', explanation: 'Windows that ended over a minute ago are not rolled up.' },
  MISSING: { label: 'Missing', explanation: 'Series have readings but no roll-ups.' },
  UNKNOWN: { label: 'Unknown', explanation: 'Roll-ups of series that are not in the site description.' },
  WRONG: { label: 'Wrong', explanation: 'Roll-ups were computed with another definition.' },
  DIRTY: { label: 'Pending', explanation: 'Readings arrived late. Their windows are not recomputed yet.' },
};
