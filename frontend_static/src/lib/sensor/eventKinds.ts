import type { EventData } from '../../api/events';
import type { IconName } from '../ui/icons';

export const EVENT_KINDS: Record<EventData['kind'], { word: string; icon: IconName; tone: 'good' | 'warn' | 'bad' }> = {
  SILENT: { word: 'Silent', icon: 'silent', tone: 'warn' },
  BACK: { word: 'Back', icon: 'check', tone: 'good' },
  OUT_OF_RANGE: { word: 'Out of range', icon: 'range', tone: 'bad' },
  STUCK: { word: 'Stuck', icon: 'minus', tone: 'warn' },
};
