// @vitest-environment happy-dom
import { cleanup, render } from '@testing-library/svelte';
import { afterEach, describe, expect, it } from 'vitest';
import EnergyToday from './EnergyToday.svelte';

afterEach(cleanup);

const amount = (kwh: number | null, coverage = 1) => ({ kwh, coverage });
const days = (today: number) => ({ today: amount(today), yesterday: amount(10), week: amount(5, 0.4) });

describe('the energy of today', () => {
  it('compares the totals with other days, whatever their nodes are called', () => {
    const { getAllByRole } = render(EnergyToday, { day: { consumption: days(11), production: days(10) } });
    const [, consumption, production] = getAllByRole('row').map((row) => row.textContent?.replace(/\s+/g, ' ').trim());
    expect(consumption).toBe('Consumption11.0kWh 10.0kWh +10.0 %5.00kWh 40 % coverage');
    expect(production).toBe('Production10.0kWh 10.0kWh 0 %5.00kWh 40 % coverage');
  });

  it('keeps its place while it loads', () => {
    const { container } = render(EnergyToday, { day: null });
    expect(container.querySelector('.bone')).not.toBeNull();
  });
});
