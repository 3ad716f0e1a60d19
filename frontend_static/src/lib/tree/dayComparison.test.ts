import { describe, expect, it } from 'vitest';
import { changeText, comparedHours } from './dayComparison';

describe('today against other days', () => {
  it('takes the same hours of each day', () => {
    const now = new Date(2026, 10, 24, 10, 34).getTime();
    const { today, yesterday, week } = comparedHours(now);
    expect([today.from, today.to]).toEqual([new Date(2026, 10, 24).getTime(), now]);
    expect([yesterday.from, yesterday.to]).toEqual([
      new Date(2026, 10, 23).getTime(),
      new Date(2026, 10, 23, 10, 34).getTime(),
    ]);
    expect([week.from, week.to]).toEqual([new Date(2026, 10, 17).getTime(), new Date(2026, 10, 17, 10, 34).getTime()]);
  });

  it('says the difference in percent', () => {
    expect(changeText({ kwh: 104.2, coverage: 1 }, { kwh: 100, coverage: 1 })).toBe('+4.2 %');
    expect(changeText({ kwh: 90, coverage: 1 }, { kwh: 100, coverage: 0.98 })).toBe('−10.0 %');
    expect(changeText({ kwh: 100, coverage: 1 }, { kwh: 100, coverage: 1 })).toBe('0 %');
  });

  it('says nothing where one of the two is not known, or less of it was measured', () => {
    expect(changeText({ kwh: 100, coverage: 1 }, { kwh: null, coverage: 0 })).toBeNull();
    expect(changeText({ kwh: 100, coverage: 1 }, { kwh: 60, coverage: 0.6 })).toBeNull();
    expect(changeText(undefined, { kwh: 60, coverage: 1 })).toBeNull();
    expect(changeText({ kwh: 1, coverage: 1 }, { kwh: 0, coverage: 1 })).toBeNull();
  });
});
