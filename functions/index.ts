import { app } from '@azure/functions';
import * as df from 'durable-functions';
import { advance } from '../orchestrations/activities/advance.ts';
import { dismantle } from '../orchestrations/activities/dismantle.ts';
import { mend } from '../orchestrations/activities/heal.ts';
import { beginOperation, finishOperation } from '../orchestrations/activities/operation.ts';
import { rotateCredentials } from '../orchestrations/activities/rotate.ts';
import { scaleNodes } from '../orchestrations/activities/scale.ts';
import type { Activities, ActivityName } from '../orchestrations/contracts.ts';
import { heal } from '../orchestrations/heal.ts';
import { provision } from '../orchestrations/provision.ts';
import { rotate } from '../orchestrations/rotate.ts';
import { scale } from '../orchestrations/scale.ts';
import { teardown } from '../orchestrations/teardown.ts';
import { createWrites } from '../shared/azure/armStep.ts';
import { readConfig } from '../shared/config.ts';
import { createDeps, prepare } from '../shared/deps.ts';
import { register } from '../shared/serve.ts';
import { allRoutes } from './routes.ts';
import { registerTimers } from './timers.ts';

// Without streaming a chunked request body arrives empty (functions-host.md, 4.2).
app.setup({ enableHttpStream: true });

const deps = createDeps(readConfig());
const writes = createWrites();

app.hook.appStart(() => prepare(deps));

for (const route of allRoutes(deps)) register(route, deps);
registerTimers(deps);

df.app.orchestration('provision', provision);
df.app.orchestration('scale', scale);
df.app.orchestration('heal', heal);
df.app.orchestration('rotate', rotate);
df.app.orchestration('teardown', teardown);

type Handlers = { [Name in ActivityName]: (input: Activities[Name]['input']) => Promise<Activities[Name]['output']> };

const activities: Handlers = {
  beginOperation: beginOperation(deps),
  advance: (holder) => advance(deps, writes.of(holder.operationId))(holder),
  dismantle: (holder) => dismantle(deps, writes.of(holder.operationId))(holder),
  scaleNodes: (holder) => scaleNodes(deps, writes.of(holder.operationId))(holder),
  mend: (holder) => mend(deps, writes.of(holder.operationId))(holder),
  rotateCredentials: rotateCredentials(deps, writes),
  finishOperation: finishOperation(deps),
};
for (const [name, handler] of Object.entries(activities))
  df.app.activity(name, { handler: handler as df.ActivityHandler });
