/** A way to run the host, and the recordings that were made in it. */
interface Mode {
  readonly title: string;
  readonly env: Record<string, string>;
  readonly args: string[];
  readonly recordings: string[];
}

export const modes: readonly Mode[] = [
  {
    title: 'without streaming',
    env: {},
    args: [],
    recordings: [
      '50-http-basics-default',
      '51-http-routes-default',
      '52-http-echo-default',
      '53-auth-default',
      '54-admin-default',
    ],
  },
  {
    title: 'with streaming',
    env: { ENABLE_STREAM: '1' },
    args: [],
    recordings: ['50-http-basics-stream', '51-http-routes-stream', '52-http-echo-stream'],
  },
  { title: 'with key checks', env: {}, args: ['--auth'], recordings: ['53-auth-enableauth'] },
];
