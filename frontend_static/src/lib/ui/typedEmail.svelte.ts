/**
 * The e-mail address typed so far. All account cards share it, so that nobody types it twice and no keystroke is lost
 * while the next card loads.
 */
export const typedEmail = $state({ value: '' });
