import type { DeviceData } from '../../api/devices';
import type { IconName } from '../ui/icons';

interface StateStyle {
  readonly label: string;
  readonly icon: IconName;
  readonly tone: 'good' | 'warn' | 'bad' | 'plain';
  /** Sort position; the worst state has the lowest rank. */
  readonly rank: number;
}

export const DEVICE_STATES: Record<DeviceData['state'], StateStyle> = {
  REFUSED: { label: 'Configuration error', icon: 'warn', tone: 'bad', rank: 0 },
  LOST: { label: 'No response', icon: 'silent', tone: 'bad', rank: 1 },
  UNHEARD: { label: 'Crawler down', icon: 'offline', tone: 'warn', rank: 2 },
  STARTING: { label: 'Starting', icon: 'more', tone: 'plain', rank: 3 },
  OK: { label: 'OK', icon: 'check', tone: 'good', rank: 4 },
};

/** Split a device's name, such as "snmp 10.0.3.1 (pdu-Z1.10)", into its label and its protocol with address. */
export function splitDeviceName(name: string): { readonly label: string; readonly address: string } {
  const match = /^(.+) \(([^()]+)\)$/.exec(name);
  return { label: match?.[2] ?? name, address: match?.[1] ?? '' };
}

/** Sort devices by state, worst first, then by error rate, then by label. */
export function sortWorstFirst(devices: readonly DeviceData[]): DeviceData[] {
  const rank = (d: DeviceData): number => DEVICE_STATES[d.state].rank;
  return [...devices].sort(
    (a, b) =>
      rank(a) - rank(b) ||
      b.errorRate - a.errorRate ||
      splitDeviceName(a.name).label.localeCompare(splitDeviceName(b.name).label, 'en', { numeric: true }),
  );
}
