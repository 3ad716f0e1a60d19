import { MediaQuery } from 'svelte/reactivity';

/** A phone, or an equally narrow window. The style sheets use the same width. */
export const narrow = new MediaQuery('(max-width: 760px)');
