import type { EventData } from '../../api/events';
import type { IconName } from '../ui/icons';

export const EVENT_KINDS: Record<EventData['kind'], { label: string; icon: IconName; tone: 'good' | 'warn' | 'bad' }> =
  {
    SILENT: { label: 'Stopped reporting', icon: 'silent', tone: 'warn' },
    BACK: { label: 'Resumed', icon: 'check', tone: 'good' },
    OUT_OF_RANGE: { label: 'Out of range', icon: 'range', tone: 'bad' },
    STUCK: { label: 'Stuck', icon: 'minus', tone: 'warn' },
  };
