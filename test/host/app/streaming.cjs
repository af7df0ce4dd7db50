// Functions with streaming on.
const { app } = require('@azure/functions');
const { Readable } = require('node:stream');

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
app.setup({ enableHttpStream: true });
let aborted = 0;

app.http('count', {
  methods: ['POST'],
  handler: async (request) => {
    const body = Buffer.from(await request.arrayBuffer());
    return { body, headers: { 'content-type': 'application/octet-stream', 'x-length': String(body.length) } };
  },
});
/** Answers each piece of the request as it comes. */
app.http('pingPong', {
  methods: ['POST'],
  handler: async (request) => ({
    body: Readable.from((async function* () { for await (const piece of request.body) yield `got ${Buffer.from(piece).toString()}\n`; })()),
  }),
});
app.http('endless', {
  methods: ['GET'],
  handler: async () => ({
    body: Readable.from((async function* () {
      try { for (;;) { yield 'tick\n'; await sleep(20); } } finally { aborted += 1; }
    })()),
  }),
});
app.http('countdown', {
  methods: ['GET'],
  handler: async () => ({
    body: Readable.from((async function* () { yield '3'; for (let left = 2; left >= 0; left -= 1) { await sleep(200); yield ` ${left}`; } })()),
  }),
});
app.http('aborted', { methods: ['GET'], handler: async () => ({ jsonBody: aborted }) });
app.http('throws', { handler: async () => { throw new Error('a secret detail'); } });
app.http('nothing', { handler: async () => undefined });
app.http('params', { methods: ['POST'], route: 'params/{name}/{sub?}', handler: async (request) => ({ jsonBody: { params: request.params, body: await request.text() } }) });
