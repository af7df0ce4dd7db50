/** Commands that a guest runs once: cloud-init's, and run command's. */
import { launch, type Running, supervise } from '../fabric/process.ts';

export interface ScriptResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface Scripts {
  /** Waits for the end (two minutes at most). What a script leaves running ends with it. */
  run(argv: string[], input?: string): Promise<ScriptResult>;
  signalAll(signal: NodeJS.Signals): void;
}

const timeoutMs = 120_000;
/** Azure's run command gives back the last 4,096 bytes. */
const kept = 4096;

/** `cwd`: where scripts start. */
export function openScripts(cwd: string, env: () => Record<string, string>): Scripts {
  const running = new Set<Running>();
  return {
    async run(argv, input = '') {
      const child = launch(argv, { cwd, env: env() }, ['pipe', 'pipe', 'pipe']);
      const script = supervise(child);
      running.add(script);
      const texts = [child.stdout, child.stderr].map((stream) => {
        const text = { value: '' };
        stream?.setEncoding('utf8').on('data', (chunk: string) => {
          text.value = (text.value + chunk).slice(-kept);
        });
        return text;
      });
      // A script that ends before it has read everything is no error.
      child.stdin?.on('error', () => {}).end(input);
      const closed = new Promise((resolve) => child.once('close', resolve));
      const timer = setTimeout(() => script.signal('SIGKILL'), timeoutMs);
      const exit = await script.exited;
      await closed;
      clearTimeout(timer);
      running.delete(script);
      return { code: exit.code ?? 137, stdout: texts[0]?.value ?? '', stderr: texts[1]?.value ?? '' };
    },
    signalAll(signal) {
      for (const script of running) script.signal(signal);
    },
  };
}
