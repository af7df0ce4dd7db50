/** `docker run …` of Guacamole's two images, as a unit on a node has it. Pure. */

export interface Container {
  image: string;
  name?: string;
  envFile?: string;
  env: Record<string, string>;
  /** Container path → the node's path. */
  volumes: Record<string, string>;
  /** Container port → the node's address and port; empty with the host's network. */
  published: Record<string, { address: string; port: number }>;
}

const withValue = new Set([
  '--name',
  '--network',
  '--net',
  '--env-file',
  '-e',
  '--env',
  '-v',
  '--volume',
  '-p',
  '--publish',
  '--cap-drop',
  '--security-opt',
  '--log-driver',
]);

/** `args`: what follows `docker run`. Options that change nothing here are passed over; those with a value must be `--name=value` or known. */
export function parseDockerRun(args: string[]): Container {
  const container: Container = { image: '', env: {}, volumes: {}, published: {} };
  for (let at = 0; at < args.length; at += 1) {
    const word = args[at] ?? '';
    if (!word.startsWith('-')) {
      container.image = word;
      break;
    }
    const [option = '', joined] = word.startsWith('--') ? splitAt(word, '=') : [word];
    const value = joined ?? (withValue.has(option) ? args[++at] : undefined) ?? '';
    take(container, option, value);
  }
  if (!container.image) throw new Error(`docker run ${args.join(' ')}: no image.`);
  return container;
}

function take(container: Container, option: string, value: string): void {
  if (option === '--name') container.name = value;
  if (option === '--env-file') container.envFile = value;
  if (option === '-e' || option === '--env') {
    const [name = '', text = ''] = splitAt(value, '=');
    container.env[name] = text;
  }
  if (option === '-v' || option === '--volume') {
    const [host = '', inside = ''] = value.split(':');
    container.volumes[inside] = host;
  }
  if (option === '-p' || option === '--publish') {
    const parts = value.split(':');
    const inside = parts.at(-1)?.replace('/tcp', '') ?? '';
    container.published[inside] = {
      address: parts.length === 3 ? (parts[0] ?? '') : '0.0.0.0',
      port: Number(parts.at(-2)),
    };
  }
}

const splitAt = (text: string, mark: string): [string, string | undefined] => {
  const at = text.indexOf(mark);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
};
