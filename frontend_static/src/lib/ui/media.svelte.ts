import { MediaQuery } from 'svelte/reactivity';

/** A phone, or a window as narrow as one; the same width as in the style sheets. */
export const narrow = new MediaQuery('(max-width: 760px)');
