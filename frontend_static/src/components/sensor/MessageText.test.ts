// @vitest-environment happy-dom
import { cleanup, render } from '@testing-library/svelte';
import { afterEach, describe, expect, it } from 'vitest';
import MessageText from './MessageText.svelte';

afterEach(cleanup);

const message = 'Z1.5 U22 back [28d695f609090049] (temp.z1.5.back) has not reported for 3 h.';

describe('a message about sensors', () => {
  it('shows ids small behind the labels', () => {
    const { container } = render(MessageText, { text: message, ids: ['28d695f609090049'] });
    expect(container.querySelector('.sensor-id')?.textContent).toBe('28d695f609090049');
    expect(container.textContent).not.toContain('[');
  });

  it('keeps other text in brackets', () => {
    const { container } = render(MessageText, { text: message, ids: [] });
    expect(container.textContent).toBe(message);
  });
});
