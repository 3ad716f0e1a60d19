import { describe, expect, it } from 'vitest';
import type { UserData } from '../../api/accounts';
import { allowedActions, fullName, kindLabel } from './userStates';

const user = (more: Partial<UserData>): UserData => ({
  id: '1',
  email: 'a@example.org',
  firstName: 'Anna',
  lastName: '',
  pictureUrl: '',
  isAdmin: false,
  state: 'AUTHORIZED',
  created: '2026-11-24T10:00:00Z',
  lastLogIn: null,
  ...more,
});

describe('users', () => {
  it('have actions that depend on their state', () => {
    expect(allowedActions(user({ state: 'WAITING_AUTHORIZATION' }))).toEqual(['approve', 'disapprove']);
    expect(allowedActions(user({}))).toEqual(['deauthorize', 'promote']);
    expect(allowedActions(user({ isAdmin: true }))).toEqual(['deauthorize', 'demote']);
    expect(allowedActions(user({ state: 'UNAUTHORIZED' }))).toEqual(['reauthorize']);
    expect(allowedActions(user({ state: 'CREATED' }))).toEqual([]);
  });

  it('have a full name, and audit entries have a label', () => {
    expect(fullName(user({}))).toBe('Anna');
    expect(kindLabel('LOG_IN_FAILED')).toBe('Log in failed');
  });
});
