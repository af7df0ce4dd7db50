/** One line of an operation, as the API shows it. */
export interface ResourceLine {
  key: string;
  state: 'waiting' | 'working' | 'ready' | 'failed' | 'removed';
  detail?: string;
  startedAt?: string;
  seconds?: number;
}

export interface Output {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
  write(text: string): unknown;
}

/** Shows an operation's resources: a table that is drawn again on a terminal, else a line whenever one has ended. */
export interface Progress {
  show(lines: ResourceLine[], percent: number): void;
}

export const openProgress = (output: Output): Progress => (output.isTTY ? liveTable(output) : plainLines(output));

const isOver = ({ state }: ResourceLine): boolean => state === 'ready' || state === 'failed' || state === 'removed';

/** Without a terminal, silence for this long gets a line that says what is waited for. */
const silenceMs = 15_000;

function plainLines(output: Output): Progress {
  const shown = new Set<string>();
  let spoken = Date.now();
  return {
    show(lines) {
      const ended = lines.filter((line) => isOver(line) && !shown.has(`${line.key} ${line.state}`));
      const isSilent = ended.length === 0 && Date.now() - spoken > silenceMs;
      const working = isSilent ? lines.filter(({ state }) => state === 'working') : [];
      for (const line of ended) shown.add(`${line.key} ${line.state}`);
      if (ended.length > 0 || isSilent) spoken = Date.now();
      if (isSilent && working.length === 0) output.write('  waiting: nothing is being worked on yet\n');
      for (const line of [...ended, ...working]) output.write(`${format(line)}\n`);
    },
  };
}

function liveTable(output: Output): Progress {
  let drawn = 0;
  return {
    show(lines, percent) {
      // What does not fit on the screen cannot be drawn over: then what is over stays out.
      const room = (output.rows ?? 24) - 3;
      const visible = lines.length > room ? lines.filter((line) => !isOver(line)).slice(0, room) : lines;
      const text = [...visible.map(format), `${percent} % of ${lines.length} steps`];
      const width = output.columns ?? 80;
      const up = drawn > 0 ? `\x1b[${drawn}A` : '';
      output.write(`${up}\x1b[J${text.map((row) => row.slice(0, width - 1)).join('\n')}\n`);
      drawn = text.length;
    },
  };
}

/** `  ready     12.3 s  loadBalancer`, and while it lasts what it waits for. */
function format(line: ResourceLine): string {
  const seconds = secondsOf(line);
  const time = seconds === undefined ? '' : `${seconds.toFixed(1)} s`;
  const detail = line.detail && !isOver(line) ? `  (${line.detail})` : '';
  return `  ${line.state.padEnd(8)}${time.padStart(8)}  ${line.key}${detail}`;
}

function secondsOf({ seconds, startedAt }: ResourceLine): number | undefined {
  if (seconds !== undefined) return seconds;
  return startedAt === undefined ? undefined : Math.max(0, (Date.now() - Date.parse(startedAt)) / 1000);
}
