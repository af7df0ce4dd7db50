/** A recorded step or file in which the local host is not like the real one, or which is not replayed, with the reason. */
export interface Deviation {
  readonly recording: string;
  /** The label of the step, or `messages` for what travels between host and functions; without one the whole recording is left out. */
  readonly step?: string;
  /** What is sent in place of the recorded path; the answer must be the recorded one. */
  readonly path?: string;
  /** Compared with HOST_HEAVY=1 only. */
  readonly isHeavy?: boolean;
  readonly reason: string;
}

const entities =
  'Entities are left out: the product uses none, and an orchestrator that calls one fails with a text that says so.';
const firstOfHub =
  'Shows what comes first in the whole hub, which is chance: ids made anew sort elsewhere. durable.test.ts lists pages, prefixes and statuses.';
const paths = 'Paths, versions and settings of the real host, which nobody reads locally.';

const betweenWaits =
  'There the event, raised after five seconds, happened to come between two waits. Here the instance is suspended meanwhile, so that it surely does.';

export const deviations: readonly Deviation[] = [
  { recording: '29-entity-from-orchestration', reason: entities },
  { recording: '46-entity-client', reason: entities },
  {
    recording: '34-call-http',
    reason: 'callHttp is left out: an activity does the same with retries and secrets of its own choice.',
  },
  {
    recording: '47-rewind-restart',
    step: 'rewind',
    reason: 'Rewind is left out: it repairs nothing that the same input started again does not.',
  },
  {
    recording: '47-rewind-restart',
    step: 'final status (showHistory, showHistoryOutput)',
    reason: 'The status after the rewind.',
  },
  { recording: '43-client-status', step: 'getStatusAll', reason: firstOfHub },
  {
    recording: '43-client-status',
    step: 'getStatusBy runtimeStatus',
    reason:
      'Shows an instance of an earlier try of 35, and the known orchestrators in an order that .NET does not define. durable.test.ts lists by statuses.',
  },
  { recording: '43-client-status', step: 'raw instances top=2', reason: firstOfHub },
  { recording: '43-client-status', step: 'raw runtimeStatus list', reason: firstOfHub },
  { recording: '43-client-status', step: 'raw bad status', reason: firstOfHub },
  {
    recording: '43-client-status',
    step: 'wait times out',
    path: '/api/start/oWait?id=g-wait3',
    reason:
      "Sent without wait=1: the eight seconds are the library's own polling, and its answer after them is that of a start that does not wait.",
  },
  {
    recording: '45-purge',
    step: 'purge by filter',
    reason:
      'Its span of time ends when it was recorded, before anything that is here. durable.test.ts purges by time and status.',
  },
  {
    recording: '42-start-same-id',
    step: 'status',
    reason: 'Lists the known orchestrators in an order that .NET does not define.',
  },
  {
    recording: '49-start-same-id-more',
    reason: 'Two of its steps were sent at once. The first three tests of durable.test.ts have its cases.',
  },
  { recording: '55-timer-trigger', reason: 'Has no requests; timers.test.ts compares its messages.' },
  {
    recording: '56-http-chunked-binding-on',
    reason: 'Recorded with another app; 52-http-echo-default has the same request.',
  },
  {
    recording: '60-worker-start-default',
    reason: 'The start of a worker process over gRPC, which there is none of here.',
  },
  {
    recording: '60-worker-start-stream',
    reason: 'The start of a worker process over gRPC, which there is none of here.',
  },
  { recording: '61-task-hub-storage', reason: 'Tables, queues and blobs of the real extension; here it is SQLite.' },
  {
    recording: '70-host-restart',
    reason: 'A restart goes on at once here, not after five minutes: recovery.test.ts, lifeCycle.test.ts.',
  },
  { recording: '50-http-basics-default', step: 'root', reason: 'The page of the real host is 150 kB of fonts.' },
  { recording: '50-http-basics-stream', step: 'root', reason: 'The page of the real host is 150 kB of fonts.' },
  { recording: '47-rewind-restart', step: 'messages', reason: 'Rewind is left out.' },
  {
    recording: '26-activity-error-caught',
    step: 'final status (showHistory, showHistoryOutput)',
    reason: 'The recording is cut in the middle of the body; its messages are compared.',
  },
  { recording: '44-raise-event', step: 'raw raise bad json', reason: "The text is that of .NET's JSON parser." },
  {
    recording: '50-http-basics-default',
    step: 'bytes',
    reason: 'The recording shows bytes that are no text; streaming.test.ts sends such.',
  },
  {
    recording: '50-http-basics-stream',
    step: 'bytes',
    reason: 'The recording shows bytes that are no text; streaming.test.ts sends such.',
  },
  { recording: '54-admin-default', step: 'host status', reason: paths },
  { recording: '54-admin-default', step: 'host config', reason: paths },
  { recording: '54-admin-default', step: 'functions list', reason: paths },
  { recording: '54-admin-default', step: 'function one', reason: paths },
  { recording: '54-admin-default', step: 'extensionbundle', reason: paths },
  { recording: '53-auth-default', step: 'admin status no key', reason: paths },
  { recording: 'patterns', step: 'loopNew', reason: betweenWaits },
  { recording: 'patterns', step: 'loopCan', reason: betweenWaits },
  {
    recording: 'patterns',
    step: 'loopReuse',
    reason:
      'The event is raised in the round in which it came there, which is not after as many seconds: timers here fire earlier.',
  },
  { recording: 'patterns', step: 'dagFlat 36', isHeavy: true, reason: 'Takes half a minute.' },
  { recording: 'patterns', step: 'dagSub 36', isHeavy: true, reason: 'Takes half a minute.' },
  { recording: 'patterns', step: 'fanAct 1000', isHeavy: true, reason: 'Takes two processors for ten seconds.' },
  { recording: '53-auth-enableauth', step: 'admin status master key', reason: paths },
];

export function deviationOf(recording: string, step?: string): Deviation | undefined {
  return deviations.find((each) => each.recording === recording && (each.step === undefined || each.step === step));
}
