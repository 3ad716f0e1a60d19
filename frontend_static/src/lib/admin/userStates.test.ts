import { describe, expect, it } from 'vitest';
import type { UserData } from '../../api/accounts';
import { actionsOf, fullName, kindWords } from './userStates';

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
  it('can be let in, shut out and made administrators, by their state', () => {
    expect(actionsOf(user({ state: 'WAITING_AUTHORIZATION' }))).toEqual(['approve', 'disapprove']);
    expect(actionsOf(user({}))).toEqual(['deauthorize', 'promote']);
    expect(actionsOf(user({ isAdmin: true }))).toEqual(['deauthorize', 'demote']);
    expect(actionsOf(user({ state: 'UNAUTHORIZED' }))).toEqual(['reauthorize']);
    expect(actionsOf(user({ state: 'CREATED' }))).toEqual([]);
  });

  it('are named as people are', () => {
    expect(fullName(user({}))).toBe('Anna');
    expect(kindWords('LOG_IN_FAILED')).toBe('Log in failed');
  });
});
