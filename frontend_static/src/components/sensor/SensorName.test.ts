// @vitest-environment happy-dom
import { cleanup, render } from '@testing-library/svelte';
import { afterEach, describe, expect, it } from 'vitest';
import SensorName from './SensorName.svelte';

afterEach(cleanup);

describe('the name of a sensor', () => {
  it('is its label as a link, with the id behind it', () => {
    const { container, getByRole } = render(SensorName, { id: '28d695f609090049', label: 'Z1.5 U22 back' });
    expect(getByRole('link').textContent).toBe('Z1.5 U22 back');
    expect(getByRole('link').getAttribute('href')).toBe('/sensor/28d695f609090049');
    expect(container.querySelector('.sensor-id')?.textContent).toBe('28d695f609090049');
  });

  it('does not repeat an id that is its own label', () => {
    const { container } = render(SensorName, { id: 'fan 1', label: 'fan 1' });
    expect(container.textContent?.trim()).toBe('fan 1');
    expect(container.querySelector('a')?.getAttribute('href')).toBe('/sensor/fan%201');
  });
});
