const levels = { trace: 0, debug: 1, information: 2, warning: 3, error: 4, critical: 5, none: 6 } as const;
export type LogLevel = keyof typeof levels;

const named = process.env.HOST_LOG_LEVEL?.toLowerCase();
const threshold = named && named in levels ? levels[named as LogLevel] : levels.information;

/**
 * Writes one line to stderr. stdout carries nothing but the `ready` line, so that a supervisor can read it.
 * @param source the function or the part of the host that speaks.
 */
export function log(level: LogLevel, source: string, message: string): void {
  if (levels[level] < threshold) return;
  process.stderr.write(`${new Date().toISOString()} ${level} [${source}] ${message}\n`);
}
