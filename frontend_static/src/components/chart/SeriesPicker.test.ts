// @vitest-environment happy-dom
import { cleanup, fireEvent, render } from '@testing-library/svelte';
import { afterEach, describe, expect, it, vi } from 'vitest';
import SeriesPicker from './SeriesPicker.svelte';

afterEach(cleanup);

const runQuery = vi.hoisted(() => vi.fn());
vi.mock('../../api/client', () => ({ runQuery, ApiError: class extends Error {} }));

function picker(selected: readonly string[] = []) {
  const [onadd, onremove] = [vi.fn(), vi.fn()];
  const view = render(SeriesPicker, {
    picks: [{ rack: 'R1', what: 'power sensors', sensors: ['w1', 'w2'] }],
    nodes: [{ id: 'lab', name: 'The lab', tree: 'CONSUMPTION' }],
    selected: new Set(selected),
    remaining: 64,
    onadd,
    onremove,
    onresults: vi.fn(),
  });
  return { view, onadd, onremove, box: view.getByRole('combobox') as HTMLInputElement };
}

describe('the series picker', () => {
  it('offers racks and tree nodes, and adds them by keyboard', async () => {
    const { view, box, onadd } = picker();
    await fireEvent.focus(box);
    expect(view.getAllByRole('option').map((o) => o.querySelector('.label')?.textContent)).toEqual([
      'R1, all power sensors',
      'The lab',
    ]);
    await fireEvent.keyDown(box, { key: 'Enter' });
    expect(onadd).toHaveBeenLastCalledWith(['w1', 'w2']);
    await fireEvent.keyDown(box, { key: 'ArrowDown' });
    await fireEvent.keyDown(box, { key: 'Enter' });
    expect(onadd).toHaveBeenLastCalledWith([], ['lab']);
  });

  it('removes what is selected already', async () => {
    const { view, onremove } = picker(['node:lab']);
    const [, node] = view.getAllByRole('option', { hidden: true });
    expect(node?.getAttribute('aria-selected')).toBe('true');
    await fireEvent.click(node as HTMLElement);
    expect(onremove).toHaveBeenCalledWith('node', 'lab');
  });

  it('points at the active option and closes with Escape', async () => {
    const { box } = picker();
    await fireEvent.focus(box);
    expect(document.getElementById(box.getAttribute('aria-activedescendant') ?? '')?.textContent).toContain('R1');
    await fireEvent.keyDown(box, { key: 'Escape' });
    expect(box.getAttribute('aria-expanded')).toBe('false');
  });
});
