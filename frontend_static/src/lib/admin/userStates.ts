import type { AuditData, UserAction, UserData } from '../../api/accounts';
import type { IconName } from '../ui/icons';

interface StateStyle {
  readonly label: string;
  readonly icon: IconName;
  readonly tone: 'good' | 'warn' | 'bad' | 'plain';
  readonly actions: readonly UserAction[];
}

export const USER_STATES: Record<UserData['state'], StateStyle> = {
  CREATED: { label: 'Created', icon: 'more', tone: 'plain', actions: [] },
  WAITING_CONFIRMATION_EMAIL: { label: 'Address not confirmed', icon: 'more', tone: 'plain', actions: [] },
  CONFIRMED: { label: 'Confirmed', icon: 'more', tone: 'plain', actions: [] },
  WAITING_AUTHORIZATION: { label: 'Waits for you', icon: 'warn', tone: 'warn', actions: ['approve', 'disapprove'] },
  AUTHORIZED: { label: 'Authorized', icon: 'check', tone: 'good', actions: ['deauthorize'] },
  UNAUTHORIZED: { label: 'Not authorized', icon: 'close', tone: 'bad', actions: ['reauthorize'] },
};

export const USER_ACTION_LABELS: Record<UserAction, string> = {
  approve: 'Approve',
  disapprove: 'Disapprove',
  deauthorize: 'Deauthorize',
  reauthorize: 'Authorize again',
  promote: 'Make admin',
  demote: 'Take admin away',
};

/** What may be done with a user: by state, and only who is in can be an administrator. */
export function allowedActions(user: UserData): readonly UserAction[] {
  const role: UserAction[] = user.isAdmin ? ['demote'] : user.state === 'AUTHORIZED' ? ['promote'] : [];
  return [...USER_STATES[user.state].actions, ...role];
}

export function fullName(user: UserData): string {
  return `${user.firstName} ${user.lastName}`.trim();
}

/** LOG_IN_FAILED as "Log in failed". */
export function kindLabel(kind: AuditData['kind']): string {
  const words = kind.toLowerCase().replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export const AUDIT_GROUPS: Record<string, { label: string; kinds: AuditData['kind'][] }> = {
  access: {
    label: 'Log-ins',
    kinds: ['LOGGED_IN', 'LOG_IN_FAILED', 'LOGGED_OUT', 'SESSION_ENDED', 'RESET_ASKED', 'PASSWORD_CHANGED'],
  },
  people: {
    label: 'People',
    kinds: [
      'SIGNED_UP',
      'CONFIRMED',
      'STATE_CHANGED',
      'PROMOTED',
      'DEMOTED',
      'USER_ADDED',
      'USER_DELETED',
      'PROFILE_CHANGED',
    ],
  },
  keys: { label: 'Keys and tokens', kinds: ['TOKEN_MADE', 'TOKEN_DELETED', 'TOKEN_USED', 'KEY_MADE', 'KEY_DELETED'] },
  commands: { label: 'Commands', kinds: ['COMMAND', 'CORRECTION'] },
};
