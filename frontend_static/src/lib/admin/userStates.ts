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
  WAITING_CONFIRMATION_EMAIL: { label: 'E-mail not confirmed', icon: 'more', tone: 'plain', actions: [] },
  CONFIRMED: { label: 'Confirmed', icon: 'more', tone: 'plain', actions: [] },
  WAITING_AUTHORIZATION: { label: 'Awaiting approval', icon: 'warn', tone: 'warn', actions: ['approve', 'disapprove'] },
  AUTHORIZED: { label: 'Authorized', icon: 'check', tone: 'good', actions: ['deauthorize'] },
  UNAUTHORIZED: { label: 'Not authorized', icon: 'close', tone: 'bad', actions: ['reauthorize'] },
};

export const USER_ACTION_LABELS: Record<UserAction, string> = {
  approve: 'Approve',
  disapprove: 'Reject',
  deauthorize: 'Withdraw access',
  reauthorize: 'Restore access',
  promote: 'Make admin',
  demote: 'Remove admin',
};

/** Return the actions possible for a user. Only an authorized user can become an administrator. */
export function allowedActions(user: UserData): readonly UserAction[] {
  const role: UserAction[] = user.isAdmin ? ['demote'] : user.state === 'AUTHORIZED' ? ['promote'] : [];
  return [...USER_STATES[user.state].actions, ...role];
}

export function fullName(user: UserData): string {
  return `${user.firstName} ${user.lastName}`.trim();
}

const KIND_LABELS: Partial<Record<AuditData['kind'], string>> = {
  RESET_ASKED: 'Password reset requested',
  TOKEN_MADE: 'Token created',
  KEY_MADE: 'Device key created',
  KEY_DELETED: 'Device key deleted',
};

/** Return the kind as a sentence: LOG_IN_FAILED becomes "Log in failed". */
export function kindLabel(kind: AuditData['kind']): string {
  const label = KIND_LABELS[kind];
  if (label) return label;
  const words = kind.toLowerCase().replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export const AUDIT_GROUPS: Record<string, { label: string; kinds: AuditData['kind'][] }> = {
  access: {
    label: 'Log-ins',
    kinds: ['LOGGED_IN', 'LOG_IN_FAILED', 'LOGGED_OUT', 'SESSION_ENDED', 'RESET_ASKED', 'PASSWORD_CHANGED'],
  },
  people: {
    label: 'Users',
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
