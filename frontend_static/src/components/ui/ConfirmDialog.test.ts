// @vitest-environment happy-dom
import { cleanup, render } from '@testing-library/svelte';
import { afterEach, describe, expect, it, vi } from 'vitest';
import ConfirmDialog from './ConfirmDialog.svelte';

afterEach(cleanup);

function open(typed?: string) {
  const yes = vi.fn();
  const question = { title: 'Delete a@b.c?', text: 'It cannot be undone.', action: 'Delete user', yes };
  const view = render(ConfirmDialog, { question: typed === undefined ? question : { ...question, typed } });
  return { yes, view, confirm: view.getByText('Delete user') as HTMLButtonElement };
}

describe('a confirmation', () => {
  it('runs the action once it is confirmed', () => {
    const { yes, confirm } = open();
    expect(confirm.disabled).toBe(false);
    confirm.click();
    expect(yes).toHaveBeenCalledOnce();
  });

  it('needs the exact text where one is given', async () => {
    const { yes, view, confirm } = open('a@b.c');
    const input = view.getByLabelText(/Type a@b.c/) as HTMLInputElement;
    for (const [text, disabled] of [
      ['', true],
      ['a@b.d', true],
      [' a@b.c ', false],
    ] as const) {
      input.value = text;
      input.dispatchEvent(new Event('input', { bubbles: true }));
      await Promise.resolve();
      expect(confirm.disabled, text).toBe(disabled);
    }
    confirm.click();
    expect(yes).toHaveBeenCalledOnce();
  });

  it('does nothing when it is cancelled', () => {
    const { yes, view } = open();
    view.getByText('Cancel').click();
    expect(yes).not.toHaveBeenCalled();
  });
});
