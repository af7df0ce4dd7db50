import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type AppDirectory, appDirectory, type TraceLine } from './hostProcess.ts';

/** Where the exchanges recorded from the real host are; they are not part of this repository. */
export const recordingsDirectory = resolve(import.meta.dirname, '../../../shared/facts/functions-host');
export const haveRecordings = existsSync(join(recordingsDirectory, '10-activity.json'));
export const whyNot = haveRecordings ? '' : ` (skipped: no recordings in ${recordingsDirectory})`;

export interface Step {
  readonly label: string;
  readonly request: {
    method: string;
    path: string;
    headers?: Record<string, string | number | string[]>;
    body: string | null;
  };
  /** Missing when the client gave up. */
  readonly response?: { status: number; rawHeaders: string[]; body: string | null };
  readonly chunks?: number;
}

export interface Recording {
  readonly driverSteps: Step[];
  readonly hostWorkerTraffic: (TraceLine | ClientCall)[];
}

export interface ClientCall {
  readonly event: 'durableClientHttp';
  readonly request: { method: string; url: string; body: string | null };
}

export function recording(name: string): Recording {
  return JSON.parse(readFileSync(join(recordingsDirectory, `${name}.json`), 'utf8')) as Recording;
}

/** Names of recordings whose number is in a range. */
export function recordingsBetween(low: number, high: number): string[] {
  return readdirSync(recordingsDirectory)
    .filter((file) => file.endsWith('.json') && Number.parseInt(file, 10) >= low && Number.parseInt(file, 10) <= high)
    .map((file) => file.slice(0, -'.json'.length))
    .sort();
}

/** What was recorded with an app that is not there with the recordings: test/host/app/encoding.cjs is that app, made again. */
export const encodingRecordings = ['71-argument-encoding'];

/** The app that the exchanges were recorded with. */
export function recordedApp(file: 'index.js' | 'patterns.js' = 'index.js'): AppDirectory {
  const from = join(recordingsDirectory, 'app');
  return appDirectory(file, { [file]: { copyOf: join(from, file) }, 'host.json': { copyOf: join(from, 'host.json') } });
}

/** What was measured of one pattern; times are not compared. */
export interface Measured {
  readonly orchestration: string;
  readonly input?: { n: number };
  readonly status?: string;
  readonly output?: unknown;
  readonly episodes?: number;
  readonly foldedHistory?: number;
  readonly maxRunsOfOneActivity?: number;
  readonly activities?: number;
}

export function patterns(): readonly Measured[] {
  if (!haveRecordings) return [];
  const text = readFileSync(join(recordingsDirectory, 'patterns.json'), 'utf8');
  return (JSON.parse(text) as { results: Measured[] }).results;
}

/** How a measured pattern is called: orchestration and size. */
export function patternTitle({ orchestration, input }: Measured): string {
  return [orchestration, input?.n].filter(Boolean).join(' ');
}
