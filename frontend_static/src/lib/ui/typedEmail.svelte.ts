/** The e-mail address as typed so far: it goes along from card to card, so that nobody types it twice, and what was
 *  typed while the next card was still on its way is not lost. */
export const typedEmail = $state({ value: '' });
